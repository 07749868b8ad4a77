import { afterAll, beforeAll, expect, it } from "vitest";
import { membershipParameters } from "../../components/machine/membership";
import { Machine } from "../fixtures/machine";

// Which nodes may be gone.

const script = "components/machine/membership.sh";
let machine: Machine;

beforeAll(async () => {
  machine = await Machine.start("datanode1");
});
afterAll(() => machine?.stop());

const node = (name: string, retiring = false) => ({
  ...{ name, retiring, address: "192.0.2.1", memoryGiB: 1, vcpus: 1 },
});
const run = (moment: "before" | "after", nodes: readonly ReturnType<typeof node>[]) =>
  machine.script(script, membershipParameters("data-services", nodes, moment));

it("lets a node go that has given its data away, and no other", async () => {
  const [one, two, three] = [node("datanode1"), node("datanode2"), node("datanode3")];
  const refusal = {
    code: 1,
    stderr: expect.stringMatching(/^error: datanode3 is not among the machines any more.*retiring: true/),
  };
  expect(await run("before", [one, two, three])).toEqual({
    code: 0,
    stdout: "nodes of the data services that stay: 3\n",
    stderr: "",
  });
  // Whatever came in between, the node may have data.
  expect(await run("before", [one, two])).toMatchObject(refusal);
  expect((await run("after", [one, two, three])).code).toBe(0);
  expect(await run("before", [one, two])).toMatchObject(refusal);
  // It is as it was: asking again changes nothing.
  expect(await run("before", [one, two])).toMatchObject(refusal);

  const retiring = [one, two, node("datanode3", true)];
  expect((await run("before", retiring)).code).toBe(0);
  // Its services did not get to the end.
  expect(await run("before", [one, two])).toMatchObject(refusal);
  expect((await run("before", retiring)).code).toBe(0);
  expect((await run("after", retiring)).code).toBe(0);
  expect((await run("before", [one, two, node("datanode4")])).code).toBe(0);
});
