/**
 * The layers of the tree, the lowest first: a room imports from rooms in lower layers alone, types included, and from
 * none beside it. docs/architecture.md says what each is for.
 */
const layers = [
  ["toolchain"],
  ["components/config"],
  ["components/machine", "components/secrets"],
  ["components/host", "components/artifact", "components/backup"],
  ["components/data-services", "components/kubernetes", "components/mesh", "components/wickr"],
  ["components/wire", "components/wasimoff"],
  ["components/validation"],
  ["components/deployment"],
  ["index.ts", "bundle", "examples"],
  ["checks"],
  ["cli"],
  ["lab"],
  ["tests"],
];

const within = (rooms) => `^(${rooms.join("|").replaceAll(".", "\\.")})(/|$)`;

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    { name: "no-circles", severity: "error", from: {}, to: { circular: true } },
    ...layers.flatMap((layer, index) =>
      layer.map((room) => ({
        name: `${room}-imports-downwards`,
        severity: "error",
        from: { path: within([room]) },
        to: { path: within([...layer.filter((other) => other !== room), ...layers.slice(index + 1).flat()]) },
      })),
    ),
    {
      name: "the-program-stands-alone",
      comment: "A stack is previewed and brought up without what builds bundles, tools and labs.",
      severity: "error",
      from: { path: within(["components", "index.ts"]) },
      to: { path: within(["toolchain", "bundle", "checks", "cli", "lab", "tests"]) },
    },
    {
      name: "the-certificate-library-is-set-up-once",
      comment: "It needs another package before it, and to be told whose cryptography to use.",
      severity: "error",
      from: { pathNot: "^components/secrets/x509[.]ts$" },
      to: { path: "^node_modules/(@peculiar/x509|reflect-metadata)/" },
    },
    {
      name: "what-people-typed-is-read-without-quoting-it",
      comment: "The library's errors quote the line, which may be a secret; parseYaml has words of its own.",
      severity: "error",
      // Those read releases and charts.
      from: { path: within(["cli"]), pathNot: "^cli/(release|chart)" },
      to: { path: "^node_modules/yaml/" },
    },
    {
      name: "no-development-packages-in-the-program",
      severity: "error",
      from: { path: within(["components", "index.ts"]) },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["npm"] },
    },
  ],
  options: {
    // Types count: who reads a file follows them too.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "^(node_modules|sdks)" },
    cache: { folder: "node_modules/.cache/dependency-cruiser", strategy: "content" },
  },
};
