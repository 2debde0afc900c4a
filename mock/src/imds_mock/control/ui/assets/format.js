// Times, durations, names and clients in words.

const two = (number) => String(number).padStart(2, "0");

/** The time of day in the browser's zone: `12:01:06`, or with milliseconds `12:01:06.612`. */
export function clockTime(milliseconds, { withMilliseconds = false } = {}) {
  const date = new Date(milliseconds);
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return withMilliseconds ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

/** A date in the browser's zone: `27 Nov 2026`. */
export function dateName(milliseconds) {
  return new Date(milliseconds).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}

/** A day in the browser's zone: `27 Nov`. */
export function dayName(milliseconds) {
  return new Date(milliseconds).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}

/** The browser's time zone at a time: `UTC`, `UTC+1`, `UTC-3:30`. */
export function zoneName(milliseconds) {
  const minutes = -new Date(milliseconds).getTimezoneOffset();
  if (minutes === 0) return "UTC";
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `UTC${minutes < 0 ? "-" : "+"}${hours}${rest ? `:${two(rest)}` : ""}`;
}

/** A remaining time: `1:12`, `1:02:03`, `3 d 4 h`. */
export function countdown(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  if (seconds >= 86_400) return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)}:${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`;
  return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
}

/** A measured time: `118 µs`, `4.6 s`, `2 min 5 s`, `3 h 12 min`. */
export function duration(milliseconds) {
  if (milliseconds < 1) return `${Math.round(milliseconds * 1000)} µs`;
  if (milliseconds < 1000) return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** How long ago something was: `now`, `12 s ago`. */
export function ago(milliseconds) {
  return milliseconds < 2000 ? "now" : `${duration(milliseconds).replace(/^(\d+)\.\d s$/, "$1 s")} ago`;
}

/** A text shortened in the middle: `i-0a41…9c2`. */
export function middle(text, length) {
  if (text.length <= length) return text;
  const head = Math.ceil((length - 1) * 0.6);
  return `${text.slice(0, head)}…${text.slice(text.length - (length - 1 - head))}`;
}

const SDK = /\b(aws-sdk-[a-z0-9-]+|aws-cli|boto3|botocore|aws-crt-[a-z]+|cloud-init|amazon-ssm-agent)\/v?([\w.-]+)/i;
const PRODUCT = /^([^\s/()]+)(?:\/v?([\w.-]+))?/;

/** The client in a user agent, an SDK before anything else: `boto3 1.40.2`, `curl 7.88.1`. */
export function clientName(userAgent) {
  const found = SDK.exec(userAgent) ?? PRODUCT.exec(userAgent.trim());
  if (!found) return "no user agent";
  const name = /^(boto3|botocore|cloud-init)$/i.test(found[1]) ? found[1].toLowerCase() : found[1];
  return middle(found[2] ? `${name} ${found[2]}` : name, 40);
}

/** A number with the word for it: `1 caller`, `3 callers`. */
export function counted(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/** A number of bytes or requests as a share: `12 %`, `< 1 %`. */
export function share(part, whole) {
  if (!whole || !part) return "0 %";
  const percent = (100 * part) / whole;
  return percent < 1 ? "< 1 %" : percent > 99 && part < whole ? "> 99 %" : `${Math.round(percent)} %`;
}
