/**
 * Minutes that something takes on this machine.
 * @param measured - What it takes elsewhere.
 * @param gone - What all before it has taken here …
 * @param expected - … and elsewhere. A machine that has been slower will go on so; one that was quicker promises nothing.
 */
export const minutesHere = (measured: number, gone: number, expected: number): number =>
  Math.ceil(measured * Math.max(1, expected > 0 ? gone / expected : 1));
