// Facts in words.

const UPRIGHT = 1;
const POSTURES = {
  1: "upright",
  2: "mirrored",
  3: "upside down",
  4: "upside down and mirrored",
  5: "lying on its side and mirrored",
  6: "lying on its side",
  7: "lying on its side and mirrored",
  8: "lying on its side",
};
const LYING = new Set([5, 6, 7, 8]);
const PLAIN_MODES = new Set(["RGB", "L"]);

export const VERDICTS = {
  match: { word: "Match", tone: "match" },
  no_match: { word: "No match", tone: "no_match" },
  review: { word: "For review", tone: "review" },
  photo_rejected: { word: "Photo rejected", tone: "fault" },
  failed: { word: "Failed", tone: "fault" },
  erased: { word: "Erased", tone: "plain" },
};

const STEPS = {
  wait_for_worker: "Wait for a worker",
  read: "Read the photos",
  prepare: "Prepare them",
  connect: "Connect",
  wait_for_slot: "Wait for a slot",
  call: "Call the provider",
  back_off: "Back off before a retry",
};

export const STEP_NAMES = Object.keys(STEPS);

export function nameStep(step) {
  return STEPS[step] ?? step.replaceAll("_", " ");
}

export function nameVerdict(verdict) {
  return VERDICTS[verdict] ?? { word: verdict, tone: "plain" };
}

export function sayTime(time_ms) {
  if (time_ms < 1000) return `${Math.round(time_ms)} ms`;
  if (time_ms < 120_000) return `${(time_ms / 1000).toFixed(1)} s`;
  return `${Math.floor(time_ms / 60_000)} min ${Math.round((time_ms % 60_000) / 1000)} s`;
}

export function saySize(size_bytes) {
  if (size_bytes >= 1_000_000) return `${(size_bytes / 1_000_000).toFixed(1)} MB`;
  return `${(size_bytes / 1000).toFixed(size_bytes >= 10_000 ? 0 : 1)} kB`;
}

export function sayCount(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

export function sayClock(at_ms) {
  return new Date(at_ms).toLocaleTimeString("en-GB");
}

export function sayBounds({ match_from, no_match_up_to }) {
  const words = `Match from ${match_from}, no match up to ${no_match_up_to}`;
  if (match_from === 0 && no_match_up_to === 100) return `${words}: the provider's own word decides.`;
  return `${words}; a score short of its bound is for a person.`;
}

export function sayPosture(report) {
  if (!report) return "as it came";
  const tag = report.orientation === UPRIGHT ? "" : `, EXIF ${report.orientation}`;
  return `as stored: ${POSTURES[report.orientation] ?? "upright"}${tag}`;
}

/** Return what was done to a photo, by its report. */
export function describeWork(report) {
  const before = saySize(report.source_size_bytes);
  if (report.untouched) {
    return [
      "Untouched: it already was as the provider wants it",
      `${report.source_format}, ${before}, ${report.width} x ${report.height} px`,
    ];
  }
  return [
    `${report.source_format}, ${before} → baseline JPEG, ${saySize(report.size_bytes)}`,
    ...describeGeometry(report),
    ...describeColours(report),
    "No metadata goes along: no camera, date or place",
    `Encoded at JPEG quality ${report.quality}, in ${report.passes} ${report.passes === 1 ? "pass" : "passes"}`,
  ];
}

function* describeGeometry(report) {
  if (report.orientation !== UPRIGHT) {
    yield `Turned upright: it was ${POSTURES[report.orientation]} (EXIF orientation ${report.orientation})`;
  }
  const sides = [report.source_width, report.source_height];
  const before = (LYING.has(report.orientation) ? sides.reverse() : sides).join(" x ");
  const after = `${report.width} x ${report.height}`;
  if (report.scale < 1) {
    yield `Scaled down from ${before} to ${after} px, to ${Math.round(report.scale * 100)} % of each side`;
  } else {
    yield `Not scaled: ${before} px before, ${after} px after`;
  }
  if (report.padded_rows) yield `Letterboxed: ${report.padded_rows} grey rows, above and below together`;
}

function* describeColours(report) {
  if (!PLAIN_MODES.has(report.source_mode)) {
    yield `Pixels converted from ${report.source_mode} to what a plain JPEG holds`;
  }
  if (report.alpha_flattened) yield "Transparency put on white";
  if (report.profile_converted) yield "Colours converted from the embedded profile to sRGB";
}
