"""The command ``facecompare-emulator``."""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from .endpoints import DEFAULT_QPS
from .faces import DEFAULT_MODELS, FaceJudge
from .keys import Credentials
from .operations import OPERATIONS
from .parameters import DataLimit
from .photos import JudgeError
from .pixels import PixelJudge
from .quota import QpsWindow
from .scenarios import Scenario, ScenarioError, read_scenarios
from .server import Emulator, PortBusyError
from .service import DEFAULT_CREDENTIALS, Rules
from .sts import DEFAULT_AUDIENCE, OidcTrust, read_public_key

_LAST_CONTROL_PORT = 65535 - 8
_LONGEST_S = 86_400


def main() -> int:
    """Run the emulator until it receives SIGINT or SIGTERM."""
    arguments = _parse_arguments()
    try:
        asyncio.run(_run(_make_rules(arguments), arguments.host, arguments.port))
    except JudgeError as error:
        print(error, file=sys.stderr)
        return 2
    except PortBusyError as error:
        print(
            f"{error.strerror} Choose another port with --port, or 0 for a free port.",
            file=sys.stderr,
        )
        return 2
    except OSError as error:
        print(f"Cannot listen on {arguments.host}: {error.strerror}.", file=sys.stderr)
        return 2
    return 0


async def _run(rules: Rules, host: str, port: int) -> None:
    emulator = Emulator(rules, host=host, port=port)
    stop_requested = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop_requested.set)
    addresses = await emulator.start()
    print(json.dumps(addresses.to_json()), flush=True)
    await stop_requested.wait()
    await emulator.stop()


def _make_rules(arguments: argparse.Namespace) -> Rules:
    credentials = Credentials(arguments.access_key_id, arguments.access_key_secret, arguments.security_token)
    return Rules(
        credentials=(credentials,),
        scenarios=arguments.scenario,
        judge=FaceJudge(arguments.models) if arguments.judge == FaceJudge.name else PixelJudge(),
        qps=dict(arguments.qps),
        qps_window=arguments.qps_window,
        send_retry_after=arguments.retry_after,
        latency_ms=arguments.latency_ms,
        data_limit=arguments.data_limit,
        operations=arguments.operations,
        idle_timeout_s=arguments.idle_timeout_s,
        oidc_trust=OidcTrust(
            audiences=(arguments.oidc_audience,),
            issuer=arguments.oidc_issuer,
            public_key=arguments.oidc_public_key,
        ),
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="facecompare-emulator",
        description="An emulator of Alibaba Cloud's FaceCompare protocol. It does not call Alibaba Cloud.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=_port,
        default=4580,
        help="control port; the endpoints use the next ports; 0 chooses free ports (default: %(default)s)",
    )
    parser.add_argument(
        "--access-key-id", default=DEFAULT_CREDENTIALS.access_key_id, help="default: %(default)s"
    )
    parser.add_argument(
        "--access-key-secret", default=DEFAULT_CREDENTIALS.access_key_secret, help="default: %(default)s"
    )
    parser.add_argument(
        "--judge",
        choices=(FaceJudge.name, PixelJudge.name),
        default=FaceJudge.name,
        help="what is compared: faces, with dlib, or pixels, which is faster (default: %(default)s)",
    )
    parser.add_argument(
        "--models",
        type=Path,
        default=DEFAULT_MODELS,
        metavar="FOLDER",
        help="folder with dlib's models (default: .local/faces, created by `make .local/faces/ready`)",
    )
    parser.add_argument("--security-token", help="makes the key temporary; requests must contain this token")
    parser.add_argument(
        "--scenario", type=_scenario_file, default=(), metavar="FILE", help="JSON array of scenarios"
    )
    parser.add_argument(
        "--qps", type=_qps, action="append", default=[], metavar="REGION=N", help="quota; can be repeated"
    )
    parser.add_argument("--qps-window", type=QpsWindow, choices=list(QpsWindow), default=QpsWindow.FIXED)
    parser.add_argument(
        "--retry-after", action="store_true", help="send x-acs-retry-after when the quota is exceeded"
    )
    parser.add_argument("--latency-ms", type=float, default=0.0, help="added to every comparison")
    parser.add_argument(
        "--data-limit",
        type=DataLimit,
        choices=list(DataLimit),
        default=DataLimit.PICTURE,
        help="whether the limit of 1 MB applies to each picture or to the request (default: %(default)s)",
    )
    parser.add_argument(
        "--operations",
        type=_operations,
        default=OPERATIONS,
        metavar="NAME,…",
        help=f"operations that exist (default: {','.join(OPERATIONS)})",
    )
    parser.add_argument(
        "--idle-timeout-s",
        type=_seconds,
        default=25.0,
        help="close a connection after this idle time (default: 25, like the provider's gateway)",
    )
    parser.add_argument(
        "--oidc-audience", default=DEFAULT_AUDIENCE, help="audience that STS accepts (default: %(default)s)"
    )
    parser.add_argument("--oidc-issuer", help="issuer that STS accepts (default: any)")
    parser.add_argument(
        "--oidc-public-key",
        type=_public_key_file,
        metavar="FILE",
        help="the issuer's RSA public key in PEM; without it, signatures of tokens are not checked",
    )
    return parser.parse_args()


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= _LAST_CONTROL_PORT:
        raise argparse.ArgumentTypeError(f"must be from 0 to {_LAST_CONTROL_PORT}, not {text}")
    return port


def _operations(text: str) -> tuple[str, ...]:
    operations = tuple(text.split(","))
    if not set(operations) <= set(OPERATIONS):
        raise argparse.ArgumentTypeError(f"must be names of {', '.join(OPERATIONS)}, separated by commas")
    return operations


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most {_LONGEST_S}")
    return seconds


def _qps(text: str) -> tuple[str, int]:
    region, _, qps = text.partition("=")
    if region not in DEFAULT_QPS or not qps.isdecimal() or int(qps) < 1:
        raise argparse.ArgumentTypeError(f"must be REGION=N, with a region of {', '.join(DEFAULT_QPS)}")
    return region, int(qps)


def _public_key_file(name: str) -> object:
    try:
        return read_public_key(Path(name).read_bytes())
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {name}: {error.strerror}") from error
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{name} is not an RSA public key in PEM") from error


def _scenario_file(name: str) -> tuple[Scenario, ...]:
    try:
        return read_scenarios(json.loads(Path(name).read_text(encoding="utf-8")))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {name}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"{name} is not JSON: {error}") from error
    except ScenarioError as error:
        raise argparse.ArgumentTypeError(f"{name}: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
