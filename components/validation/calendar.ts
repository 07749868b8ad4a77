import { quote } from "../config/quote";

/**
 * Calendar events of systemd.time(7), as far as a schedule needs them. The machines' systemd reads them late in a run;
 * this reads them before it begins.
 */

const keywords = "minutely hourly daily monthly weekly yearly annually quarterly semiannually".split(" ");
const days = "mon tue wed thu fri sat sun".split(" ");
const longDays = "monday tuesday wednesday thursday friday saturday sunday".split(" ");

/** Why a text is no calendar event, with one that is near; undefined if it is one. */
export function calendarProblem(text: string): string | undefined {
  const example = fromCron(text);
  if (example !== undefined)
    return `is a schedule of cron; a calendar event of systemd.time(7) is wanted: "${example}"`;
  const rule =
    'must be a calendar event of systemd.time(7), such as "*-*-* 02:30:00", "Sun 03:00" or "daily"; systemd-analyze calendar tries one';
  if (text.toLowerCase() === "minutely") return tooOften;
  if (keywords.includes(text.toLowerCase())) return undefined;
  const words = text.trim().split(/\s+/);
  const zone = words.at(-1) ?? "";
  if (/^(UTC|[A-Z][A-Za-z_]+\/[A-Za-z_/+-]+)$/.test(zone)) {
    if (!isZone(zone)) return `${quote(zone)} is no time zone: timedatectl list-timezones has them all`;
    words.pop();
  }
  if (words[0] !== undefined && isWeekdays(words[0])) words.shift();
  const [first, second, ...others] = words;
  if (others.length > 0) return rule;
  const fits =
    second !== undefined
      ? isDate(first ?? "") && isTime(second)
      : first === undefined
        ? text.trim() !== "" && isWeekdays(text.trim().split(/\s+/)[0] ?? "")
        : isDate(first) || isTime(first);
  if (!fits) return rule;
  const date = first !== undefined && isDate(first) ? first : undefined;
  const time = second ?? (date === undefined ? first : undefined);
  if (time !== undefined && isTime(time) && /[*,/.]/.test(time.split(":")[2]?.replace(/\.0+$/, "") ?? ""))
    return tooOften;
  if (time !== undefined && isTime(time) && time.split(":")[1] === "*") return tooOften;
  return date === undefined ? undefined : neverProblem(date);
}

const tooOften =
  'comes more than once a minute or every minute, and a backup takes longer than that: "hourly", or "*:0/15" for each quarter';

const isZone = (name: string): boolean => {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
};

/** Why a date never comes: systemd takes it, and its timer never runs; undefined for one that comes. */
function neverProblem(date: string): string | undefined {
  const [day = "", month = "", year] = date.split(/[-~]/).reverse();
  if (year !== undefined && /^\d{4}$/.test(year) && Number(year) < new Date().getFullYear())
    return 'lies in the past, and would never come again: "*-*-* 02:30:00" is every night';
  const days = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  const never =
    /^\d{1,2}$/.test(month) && /^\d{1,2}$/.test(day) && Number(day) > (days[Number(month) - 1] ?? 31);
  return never ? `is a day that month ${Number(month)} does not have: it would never come` : undefined;
}

const isWeekdays = (text: string): boolean =>
  text
    .toLowerCase()
    .replace(/,$/, "")
    .split(",")
    .every((part) => part.split("..").every((day) => days.includes(day) || longDays.includes(day)));

function isDate(text: string): boolean {
  const parts = text.split(/[-~]/);
  const [day, month, year] = parts.reverse();
  if (!text.includes("-") && !text.includes("~")) return false;
  return (
    parts.length <= 3 &&
    within(day ?? "", 1, 31) &&
    within(month ?? "", 1, 12) &&
    (year === undefined || within(year, 0, 2199))
  );
}

function isTime(text: string): boolean {
  const parts = text.split(":");
  const [hour = "", minute = "", second] = parts;
  return (
    (parts.length === 2 || parts.length === 3) &&
    within(hour, 0, 23) &&
    within(minute, 0, 59) &&
    (second === undefined || within(second.replace(/\.\d{1,6}$/, ""), 0, 59))
  );
}

/** Whether a component such as `*`, `1,15`, `8..17` or `0/15` has values between two numbers alone. */
const within = (component: string, least: number, most: number): boolean =>
  component.split(",").every((part) => {
    const [, from, to, step] = /^(\*|\d{1,4})(?:\.\.(\d{1,4}))?(?:\/(\d{1,4}))?$/.exec(part) ?? [];
    if (from === undefined || (from === "*" && to !== undefined) || Number(step) === 0) return false;
    const bounds = [from, to].filter((word) => word !== undefined && word !== "*").map(Number);
    return (
      bounds.every((value) => value >= least && value <= most) &&
      (to === undefined || Number(from) <= Number(to))
    );
  });

/** The same in systemd's language, for an entry of a crontab; undefined for what is none. */
function fromCron(text: string): string | undefined {
  const word = /^@(hourly|daily|midnight|weekly|monthly|yearly|annually)$/.exec(text.trim())?.[1];
  if (word !== undefined) return word === "midnight" ? "daily" : word;
  const fields = text.trim().split(/\s+/);
  if (fields.length !== 5 || !fields.every((field) => /^[\d*/,A-Za-z-]+$/.test(field))) return undefined;
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = fields;
  const number = (field: string) =>
    field
      .replace(/\b(\d)\b/g, "0$1")
      .replace(/^\*\/(\d+)$/, "0/$1")
      .replaceAll("-", "..");
  const name = (field: string) => field.replace(/\d/g, (digit) => days[(Number(digit) + 6) % 7] ?? digit);
  const onDays = weekday === "*" ? "" : `${name(weekday).replaceAll("-", "..")} `;
  const event = `${onDays}*-${number(month)}-${number(day)} ${number(hour)}:${number(minute)}:00`;
  return calendarProblem(event) === undefined ? event : "*-*-* 02:30:00";
}
