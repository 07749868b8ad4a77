import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { calendarProblem } from "../../components/validation/calendar";

const taken = [
  "*-*-* 02:30:00",
  "daily",
  "Weekly",
  "Sun 03:00",
  "Mon..Fri *-*-* 22:00",
  "Mon,Wed,Sat..Sun 12:00:30",
  "saturday",
  "*-*-01 00:00",
  "2030-01-*",
  "*-02~03 04:05",
  "*:0/15",
  "8..17:00",
  "*-*-* *:00:00",
  "*-1/3-1 02:00",
  "Fri 23:59 UTC",
  "02:30:00 Europe/Berlin",
  "03-05 08:05:40",
];
const refused = [
  "",
  " ",
  "every day",
  "02:30am",
  "25:00",
  "02:60",
  "*-13-01",
  "*-*-32",
  "*-*-* 02",
  "30 2 * *",
  "Mon-Tue-Wed 1",
  "Funday 03:00",
  "*-*-* 02:30:00 *-*-*",
  "5..1:00",
  "*-*-* 02:30:61",
  "2h",
  "P1D",
];

/** What the machines' own systemd makes of it. */
const systemdTakes = (event: string) => spawnSync("systemd-analyze", ["calendar", "--", event]).status === 0;

describe("a calendar event", () => {
  it.each(taken)("%j is one, as systemd says too", (event) => {
    expect([calendarProblem(event), systemdTakes(event)]).toEqual([undefined, true]);
  });

  it.each(refused)("%j is none, as systemd says too", (event) => {
    expect([calendarProblem(event) !== undefined, systemdTakes(event)]).toEqual([true, false]);
  });
});
