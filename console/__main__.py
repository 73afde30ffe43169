"""`make console`: serve the console until Ctrl-C."""

import asyncio
import errno
import signal
from pathlib import Path
from typing import Final

import click
from aiohttp import web
from botocore.exceptions import BotoCoreError, ClientError

from console.emulator import find_emulator
from console.guard import LOOPBACK_NAMES
from console.server import Site, make_app
from facematch.domain.errors import FacematchError
from facematch_client.errors import CommandError, explain_error
from facematch_client.stack import StackLocation, find_stack

_PORT: Final = 4590
_SHUTDOWN_LIMIT_S: Final = 1.0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--stack", "name", metavar="NAME", help="A deployed stack. Default: the stack on this machine.")
@click.option("--profile", metavar="NAME", help="The AWS profile to use.")
@click.option("--aws-region", metavar="ID", help="The AWS region of the stack.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=_PORT, show_default=True, help="0: any free port."
)
def main(*, name: str | None, profile: str | None, aws_region: str | None, host: str, port: int) -> None:
    """Serve the console of a stack, for the browser on this machine, until Ctrl-C.

    There is no login: everybody who reaches the port can send pairs and read verdicts.
    """
    location = StackLocation(stack=name, local=name is None, profile=profile, aws_region=aws_region)
    try:
        site = Site(find_stack(location), find_emulator(Path.cwd()) if location.local else None)
        app = make_app(site, host_names={*LOOPBACK_NAMES, host.lower()})
    except CommandError as error:
        raise click.ClickException(error.message) from None
    except (FacematchError, BotoCoreError, ClientError) as error:
        raise click.ClickException(explain_error(error, is_local=location.local).message) from None
    try:
        asyncio.run(_serve(app, host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise click.ClickException(
                f"Port {port} on {host} is in use. Choose another with PORT=…, or any free port with PORT=0."
            ) from None
        raise click.ClickException(f"The console cannot listen on {host}: {error.strerror}.") from None


async def _serve(app: web.Application, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_LIMIT_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound_host, bound_port, *_ = runner.addresses[0]
        shown_host = f"[{bound_host}]" if ":" in bound_host else bound_host
        click.echo(f"The console: http://{shown_host}:{bound_port}/ (Ctrl-C stops it)")
        await stop.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    main()
