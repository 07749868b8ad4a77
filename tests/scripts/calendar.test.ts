import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { calendarProblem } from "../../components/validation/calendar";

const words = ["hourly", "Daily", "weekly", "monthly", "monthly UTC", "daily Europe/Berlin"];
const weekdays = ["", "Sun ", "saturday ", "Mon..Fri ", "Mon,wed,Sat..Sun "];
const dates = ["", "*-*-* ", "*-*-31 ", "*-*-1,15 ", "*-*-08..14,28 ", "*-*-01/7 ", "*-*-1/30 "];
const hours = ["*", "2", "02", "8..17", "0/6", "6,18", "0/23"];
const minutes = ["00", "5", "0/15", "10/5", "29/30", "59:59"];
const zones = ["", " UTC", " GMT", " Europe/Kyiv", " Asia/Kolkata", " America/Port_of_Spain", " Etc/GMT-3"];

/** Each way to write a part, beside the first of the others. */
const taken = [
  ...words,
  ...weekdays.flatMap((weekday) => dates.map((date) => `${weekday}${date}02:30`)),
  ...hours.flatMap((hour) => minutes.map((minute) => `${hour}:${minute}`)),
  ...zones.map((zone) => `*-*-* 02:30:00${zone}`),
];

const refused = [
  ...["", " ", "every day", "02:30am", "25:00", "02:60", "*-13-01", "*-*-32", "*-*-* 02", "30 2 * * *"],
  ...["Mon-Tue-Wed 1", "Funday 03:00", "*-*-* 02:30:00 *-*-*", "5..1:00", "*-*-* 02:30:61", "2h", "P1D"],
  ...["Fri..Mon 02:00", "*-*-01/40 02:00", "*-*~31/1 02:00", "3/30:00", "*:15/60", "*-*-* *:00/61"],
  ...["*-*-*/2 02:30", "\t*-*-* 02:30", "*-*-*\u00a002:30:00", "*-*-* 02:30:00 UTC+1"],
  ...["*-*-* 02:30:00 Europe/berlin", "*-*-* 02:30:00 US/Pacific-New", "*-*-* 02:30:00 Europe/Berlim"],
];

/** What the machines' own systemd makes of it: whether it can be read, and comes. */
function systemdTakes(event: string): boolean {
  const { status, stdout } = spawnSync("systemd-analyze", ["calendar", "--", event], { encoding: "utf8" });
  return status === 0 && !stdout.includes("Next elapse: never");
}

describe("a schedule", () => {
  it.each(taken)("%j is one, as systemd says too", (event) => {
    expect([calendarProblem(event), systemdTakes(event)]).toEqual([undefined, true]);
  });

  it.each(refused)("%j is none, as systemd says too", (event) => {
    expect([calendarProblem(event) !== undefined, systemdTakes(event)]).toEqual([true, false]);
  });
});
