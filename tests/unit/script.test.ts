import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadScript, renderInput, shellQuote, withoutComments } from "../../components/machine/script";

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Feeds a text to bash as a target does. */
function bash(input: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile("bash", ["-s", "--", ...args], (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 255) : 0, stdout, stderr }),
    );
    child.stdin?.end(input);
  });
}

const directory = mkdtempSync(join(tmpdir(), "wiab-script-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs a script with the prelude and parameters, as the program would. */
function run(
  text: string,
  parameters: Readonly<Record<string, string>> = {},
  verb = "apply",
): Promise<Ended> {
  writeFileSync(join(directory, "script.sh"), text);
  return bash(renderInput(loadScript(directory, "script.sh"), parameters), verb);
}

const nasty = {
  "a quote": "it's",
  "only quotes": "'''",
  "double quotes": '"$HOME"',
  "a substitution": "$(touch /nowhere) `id` $PATH $((1+1))",
  backslashes: "\\ \\\\ \\n \\' \\",
  newlines: "one\ntwo\n\nthree",
  "newlines at its end": "one\n\n",
  "newlines at its beginning": "\n\none",
  "tabs and spaces": "\t  a\t b  ",
  Unicode: "Grüße, 世界 🎉",
  "what ends a block": "}\n}; exit 3\n{",
  "what ends a text": "EOF\nEOF",
  patterns: "* ? [a-z] ~ !! # ; & | < >",
  "an option": "-n -e --help",
  "carriage returns": "one\r\ntwo\r\n",
  nothing: "",
};

describe("a quoted value", () => {
  it.each(Object.entries(nasty))("with %s is read back byte for byte", async (_, value) => {
    const { code, stdout, stderr } = await bash(`value=${shellQuote(value)}; printf %s "$value"`);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: value, stderr: "" });
  });
});

describe("a script without its comments", () => {
  const scripts = readdirSync("components", { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".sh"))
    .map((file) => join("components", file));
  /** As Bash itself understands a text. */
  const understood = async (text: string) => {
    const { code, stdout, stderr } = await bash(`script() {\n${text}\n:\n}\ndeclare -f script\n`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout;
  };

  it.each(scripts)("is the same to Bash: %s", async (file) => {
    const text = readFileSync(file, "utf8");
    const code = withoutComments(text);
    expect(await understood(code)).toBe(await understood(text));
  });

  it("has none left", () => {
    expect(withoutComments("# one\na # two\n\t# three\n\n#four\nb\n")).toBe("a # two\n\nb\n");
  });
});

describe("a script's input", () => {
  it("hands over all parameters byte for byte", async () => {
    const entries = Object.values(nasty).map((value, index) => [`VALUE_${index}`, value] as const);
    const print = entries.map(([name]) => `printf '%s\\0' "$${name}"`).join("\n");
    const { code, stdout } = await run(`apply() {\n${print}\n}`, Object.fromEntries(entries));
    expect(code).toBe(0);
    expect(stdout.split("\0").slice(0, -1)).toEqual(entries.map(([, value]) => value));
  });

  it("is the same in whatever order the parameters come", () => {
    const script = { name: "script.sh", text: "apply() { :; }" };
    expect(renderInput(script, { B: "2", A: "1" })).toBe(renderInput(script, { A: "1", B: "2" }));
  });

  it("is read whole before anything runs, so that no command swallows the rest", async () => {
    const { code, stdout } = await run(
      'cat\nread -r line || true\napply() {\n  cat\n  say "line: $line"\n  say end\n}\n',
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: "line: \nend\n" });
  });

  it("runs the function that is asked for", async () => {
    const script = "apply() { say applied; }\nupdate() { say updated; }\nremove() { say removed; }";
    for (const [verb, said] of [
      ["apply", "applied"],
      ["update", "updated"],
      ["remove", "removed"],
    ])
      expect(await run(script, {}, verb)).toEqual({ code: 0, stdout: `${said}\n`, stderr: "" });
    expect((await run(script, {}, "missing")).code).toBe(127);
  });

  it("stops at the first command that fails, in a pipe too", async () => {
    for (const failing of ["false", "false | true", "say $UNSET"]) {
      const { code, stdout } = await run(`apply() {\n${failing}\nsay reached\n}`);
      expect(code).not.toBe(0);
      expect(stdout).not.toContain("reached");
    }
  });

  it("names the parameter that is missing", async () => {
    const { code, stderr } = await run(`: "\${NAME:?name of the machine}"\napply() { :; }`);
    expect(code).not.toBe(0);
    expect(stderr).toContain("NAME: name of the machine");
  });

  it("shows parameters neither in the environment nor on a command line", async () => {
    const secret = "correct-horse-battery-staple";
    const look = [
      "env",
      // This bash, what it starts, and the processes above it but for the one that fed it.
      "cat /proc/$$/environ /proc/$$/cmdline",
      "bash -c 'cat /proc/self/environ /proc/self/cmdline /proc/$PPID/environ /proc/$PPID/cmdline'",
      "cat /proc/[0-9]*/cmdline 2>/dev/null || true",
    ];
    const { code, stdout } = await run(
      `apply() {\n  say "has it: \${#SECRET}"\n${look.join("\n")} | tr '\\0' '\\n'\n}`,
      { SECRET: secret },
    );
    expect(code).toBe(0);
    expect(stdout).toContain(`has it: ${secret.length}`);
    expect(stdout).toContain("PATH=/usr/local/sbin");
    expect(stdout).toContain("bash\n-s\n--\napply".replaceAll("\n", "\0"));
    expect(stdout).not.toContain(secret);
  });
});

describe("what scripts are given", () => {
  it("fail says why and ends the script", async () => {
    const ended = await run("apply() { fail the disk is full; say reached; }");
    expect(ended).toEqual({ code: 1, stdout: "", stderr: "error: the disk is full\n" });
  });

  it("wait_for is silent when what it waits for comes", async () => {
    const file = join(directory, "attempts");
    writeFileSync(file, "");
    const ended = await run(
      'attempt() {\n  echo noise\n  echo >>"$FILE"\n  [ "$(wc -l <"$FILE")" -ge 2 ]\n}\napply() { wait_for "the second attempt" 30 attempt; say done; }',
      { FILE: file },
    );
    expect(ended).toEqual({ code: 0, stdout: "done\n", stderr: "" });
    expect(readFileSync(file, "utf8")).toBe("\n\n");
  });

  it("wait_for gives up with what, how long and what was said last", async () => {
    const ended = await run(
      'probe() { echo "not ready: $1" >&2; return 7; }\napply() { wait_for "the database" 1 probe "two words"; say reached; }',
    );
    expect(ended).toEqual({
      code: 1,
      stdout: "",
      stderr: "error: gave up after 1 s waiting for the database: not ready: two words\n",
    });
  });

  it("run_service has a new unit read before it starts it, whatever systemd says of it", async () => {
    // What is written and asked for is told instead of done; the marks in /run are the test's own.
    const standIns = [
      "put() { :; }",
      "systemctl() {",
      '  say "systemctl $*" >&2',
      '  case "$*" in *is-active*) return 3 ;; *NeedDaemonReload*) echo no ;; esac',
      "}",
      "marks() { ls /run/wiab-unit-test.* 2>/dev/null || true; }",
    ].join("\n");
    const file = (path: string) =>
      run(`${standIns}\napply() { service_file unit-test ${path} text; run_service unit-test; marks; }`);
    const unit = await file("/etc/systemd/system/wiab-unit-test-there-is-none.service");
    expect(unit).toMatchObject({ code: 0, stdout: "" });
    const called = unit.stderr.split("\n");
    expect(called.indexOf("systemctl daemon-reload")).toBeGreaterThan(-1);
    expect(called.indexOf("systemctl daemon-reload")).toBeLessThan(
      called.indexOf("systemctl restart unit-test.service"),
    );
    const settings = await file("/etc/wiab-unit-test-there-is-none");
    expect(settings.stderr).toContain("systemctl restart");
    expect(settings.stderr).not.toContain("daemon-reload");
  });

  it("wait_for gives up on what says nothing", async () => {
    const { stderr } = await run('apply() { wait_for "a miracle" 0 false; }');
    expect(stderr).toBe("error: gave up after 0 s waiting for a miracle\n");
  });
});
