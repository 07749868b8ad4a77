import { quote } from "../config/quote";

/**
 * Schedules: a part of systemd.time(7) in which nothing never comes, and nothing comes more often than a backup ends.
 * The machines' systemd reads them late in a run; this reads them before it begins.
 */

const keywords = ["hourly", "daily", "weekly", "monthly"];
const days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const longDays = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

const rule = `must be ${keywords.join(", ")}, or a time, with weekdays and days of the month before it and a zone behind it if need be: "02:30", "Mon..Fri 22:00", "*-*-01,15 03:00 Europe/Berlin", "*:0/15"`;

const tooOften =
  'would come too often: a backup takes minutes. Give one minute, or every 5, 6, 10, 12, 15, 20 or 30 minutes: "hourly", or "*:0/15" for each quarter';

/** Why a text is no schedule, with one that is near; undefined if it is one. */
export function calendarProblem(text: string): string | undefined {
  const example = fromCron(text);
  if (example !== undefined) return `is a schedule of cron; one of systemd.time(7) is wanted: "${example}"`;
  const words = text.split(" ");
  const zone = words.length > 1 && /^[A-Za-z]/.test(words.at(-1) ?? "") ? words.pop() : undefined;
  const problem = whenProblem(words);
  if (problem !== undefined || zone === undefined || isZone(zone)) return problem;
  return `${quote(zone)} is no time zone; write one as UTC or Europe/Berlin: timedatectl list-timezones has them all`;
}

function whenProblem(words: readonly string[]): string | undefined {
  const [first = ""] = words;
  if (words.length === 1 && first.toLowerCase() === "minutely") return tooOften;
  if (words.length === 1 && keywords.includes(first.toLowerCase())) return undefined;
  const [time = "", ...before] = [...words].reverse();
  if (isDays(before[0] ?? "")) before.shift();
  if (isWeekdays(before[0] ?? "")) before.shift();
  return before.length > 0 ? rule : timeProblem(time);
}

function timeProblem(time: string): string | undefined {
  const [hour = "", minute = "", second = "0", ...others] = time.split(":");
  if (others.length > 0 || !areNumbers(hour, 0, 23)) return rule;
  if (!isNumber(second, 0, 59)) return /[*,/]/.test(second) ? tooOften : rule;
  if (isNumber(minute, 0, 59)) return undefined;
  const [, from, step] = /^(\d\d?)\/(\d\d?)$/.exec(minute) ?? [];
  // A divisor of 60, so that the last one of an hour is as far from the next hour's first.
  if (Number(step) >= 5 && 60 % Number(step) === 0 && Number(from) + Number(step) <= 59) return undefined;
  return /^[\d*,./]+$/.test(minute) && /\D/.test(minute) ? tooOften : rule;
}

/** `*-*-` and days of every month: each of them comes in some month. */
const isDays = (word: string): boolean => word.startsWith("*-*-") && areNumbers(word.slice(4), 1, 31);

/** `Mon`, `Mon..Fri` or `Mon,Wed,Sat..Sun`; a range ends after it begins, in a week from Monday. */
const isWeekdays = (word: string): boolean =>
  word.split(",").every((part) => {
    const [from = -1, to = from + 1, ...others] = part
      .toLowerCase()
      .split("..")
      .map((day) => Math.max(days.indexOf(day), longDays.indexOf(day)));
    return from >= 0 && from < to && others.length === 0;
  });

const isNumber = (word: string, least: number, most: number): boolean =>
  /^\d\d?$/.test(word) && Number(word) >= least && Number(word) <= most;

/** Whether a word is `*`, or a list of numbers, ranges such as `8..17` and steps such as `0/6`. */
const areNumbers = (word: string, least: number, most: number): boolean =>
  word === "*" ||
  word.split(",").every((part) => {
    const [, from = "", to, step] = /^(\d\d?)(?:\.\.(\d\d?)|\/(\d\d?))?$/.exec(part) ?? [];
    return (
      isNumber(from, least, most) &&
      (to === undefined || (isNumber(to, least, most) && Number(from) < Number(to))) &&
      (step === undefined || (Number(step) > 0 && Number(from) + Number(step) <= most))
    );
  });

/** Whether the machines have a zone of this name: by its spelling, which their file system minds and `Intl` does not. */
function isZone(name: string): boolean {
  if (/^(UTC|GMT)$/.test(name)) return true;
  const listed = Intl.supportedValuesOf("timeZone").find((one) => one.toLowerCase() === name.toLowerCase());
  if (listed !== undefined) return listed === name;
  // The list has one name of a zone alone: Europe/Kiev, and not Europe/Kyiv.
  if (!/^[A-Z][a-z]+(\/[A-Z][a-z]+([_-][A-Z][a-z]+)*)+$|^Etc\/GMT[+-]\d\d?$/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The same in systemd's language, for an entry of a crontab; undefined for what is none. */
function fromCron(text: string): string | undefined {
  const word = /^@(hourly|daily|midnight|weekly|monthly|yearly|annually)$/.exec(text.trim())?.[1];
  if (word !== undefined) return keywords.includes(word) ? word : word === "midnight" ? "daily" : "monthly";
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
  return whenProblem(event.split(" ")) === undefined ? event : "*-*-* 02:30:00";
}
