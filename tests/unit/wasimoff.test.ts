import { describe, expect, it } from "vitest";
import { planDeployment } from "../../components/config/plan";
import { planWasimoff } from "../../components/config/wasimoff";
import { eras, variablesOf } from "../../components/config/wasimoff-eras";
import { wasimoff as schema } from "../../components/config/wasimoff-schema";
import { planRuleset, renderRuleset } from "../../components/host/firewall/ruleset";
import {
  brokerDeployment,
  ingressAnnotations,
  ingressPaths,
  namespaceLabels,
  networkPolicies,
  providerDeployment,
} from "../../components/wasimoff/objects";
import { providerCommand } from "../../components/wasimoff/outputs";
import { wasimoffImages } from "../fixtures/wasimoff";
import { stagingConfiguration, type Values } from "../stacks";

const plan = (values: Values = {}) =>
  planWasimoff(schema.parse({ images: wasimoffImages, ...values }), "wire.example.com", [
    "kubenode1",
    "kubenode2",
  ]);
const networks = ["192.0.2.0/24", "198.51.100.7/32"];

describe("the plan", () => {
  it("sets variables of the era alone, in every mode", () => {
    for (const era of ["websocket", "webtransport"] as const)
      for (const mode of ["public", "localhost"]) {
        const { environment } = plan({ era, mode });
        for (const name of Object.keys(environment)) expect(variablesOf(era)).toHaveProperty(name, "program");
        expect(environment).toHaveProperty("WASIMOFF_HTTP_LISTEN");
      }
  });

  it("is upstream's public deployment of the WebTransport era", () => {
    expect(plan({ era: "webtransport", access: { networks } }).environment).toEqual({
      WASIMOFF_HTTP_LISTEN: ":4080",
      WASIMOFF_QUIC_LISTEN: ":4443",
      WASIMOFF_QUIC_CERT: "/certificate/tls.crt",
      WASIMOFF_QUIC_KEY: "/certificate/tls.key",
      WASIMOFF_HTTPS: "true",
      WASIMOFF_TRANSPORT_URL: "https://wasimoff.wire.example.com:4443/transport",
    });
  });

  it("leaves TLS of today's era to the ingress, and keeps modules on a volume", () => {
    const { environment, url, providerUrl } = plan();
    expect(environment).toEqual({
      WASIMOFF_HTTP_LISTEN: ":4080",
      WASIMOFF_ALLOWED_ORIGINS: "wasimoff.wire.example.com,broker.wasimoff.svc:4080",
      WASIMOFF_FILESTORAGE: "dirfs:///storage",
      WASIMOFF_METRICS: "true",
    });
    expect(url).toBe("https://wasimoff.wire.example.com/");
    expect(providerUrl).toBe("http://broker.wasimoff.svc:4080/");
  });

  it("listens on the machine's own loopback in localhost mode", () => {
    for (const era of ["websocket", "webtransport"]) {
      const { environment, node, access } = plan({ era, mode: "localhost" });
      for (const [name, value] of Object.entries(environment))
        if (name.endsWith("_LISTEN")) expect(value).toMatch(/^localhost:/);
      expect(node).toBe("kubenode1");
      expect(access.token).toBe(false);
    }
  });

  it("asks for a token unless networks are given, or it is open", () => {
    expect(plan().access.token).toBe(true);
    expect(plan({ access: { networks } }).access.token).toBe(false);
    expect(plan({ access: { networks, token: true } }).access.token).toBe(true);
    expect(plan({ access: { open: true } }).access.token).toBe(false);
  });
});

describe("the pods", () => {
  const specs = (values: Values = {}) => {
    const of = plan(values);
    return [brokerDeployment(of, "").template.spec, providerDeployment(of, undefined).template.spec];
  };

  it("are without root, capabilities, tokens and a root file system that they can write to", () => {
    for (const values of [{}, { era: "webtransport", access: { networks } }, { mode: "localhost" }])
      for (const spec of specs(values)) {
        expect(spec.automountServiceAccountToken).toBe(false);
        expect(spec.securityContext).toMatchObject({
          runAsNonRoot: true,
          seccompProfile: { type: "RuntimeDefault" },
        });
        for (const container of spec.containers) {
          expect(container.securityContext).toEqual({
            allowPrivilegeEscalation: false,
            capabilities: { drop: ["ALL"] },
            readOnlyRootFilesystem: true,
          });
          expect(container.resources.limits.memory).toMatch(/^\d+Mi$/);
          expect(container.readinessProbe.httpGet.path).toMatch(/^\//);
        }
      }
    expect(Object.values(namespaceLabels(plan()))).toEqual(["restricted"]);
  });

  it("share a machine's network in localhost mode, each provider on a port of its own", () => {
    const spec = brokerDeployment(plan({ mode: "localhost", providers: { replicas: 3 } }), "").template.spec;
    expect(spec).toMatchObject({
      hostNetwork: true,
      nodeSelector: { "kubernetes.io/hostname": "kubenode1" },
    });
    expect(spec.containers.map(({ name }) => name)).toEqual([
      "broker",
      "provider1",
      "provider2",
      "provider3",
    ]);
    const ports = spec.containers.map(({ readinessProbe: { httpGet } }) => httpGet.port);
    expect(new Set(ports).size).toBe(4);
    for (const { readinessProbe } of spec.containers)
      expect(readinessProbe.httpGet).toHaveProperty("host", "127.0.0.1");
  });

  it("know the public name by the broker's service in the WebTransport era", () => {
    const of = plan({ era: "webtransport", access: { networks } });
    expect(providerDeployment(of, "10.233.0.9").template.spec).toHaveProperty("hostAliases", [
      { ip: "10.233.0.9", hostnames: ["wasimoff.wire.example.com"] },
    ]);
    const [broker] = brokerDeployment(of, "0123").template.spec.containers;
    expect(broker?.readinessProbe.httpGet).toMatchObject({ path: eras.webtransport.health, scheme: "HTTPS" });
  });

  it("are never two brokers, and always enough providers", () => {
    expect(brokerDeployment(plan(), "")).toMatchObject({ replicas: 1, strategy: { type: "Recreate" } });
    expect(providerDeployment(plan({ providers: { replicas: 4 } }), undefined)).toMatchObject({
      replicas: 4,
      strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    });
  });

  it("are reached by nobody who is not listed", () => {
    expect(networkPolicies(plan()).closed).toEqual({ podSelector: {}, policyTypes: ["Ingress", "Egress"] });
  });
});

describe("the way in", () => {
  it("is for networks and for who has the token", () => {
    const both = ingressAnnotations(plan({ access: { networks, token: true } }));
    expect(both["nginx.ingress.kubernetes.io/whitelist-source-range"]).toBe(networks.join(","));
    expect(both["nginx.ingress.kubernetes.io/auth-secret"]).toBe("token");
    const open = ingressAnnotations(plan({ access: { open: true } }));
    expect(Object.keys(open).filter((key) => /auth|whitelist/.test(key))).toEqual([]);
  });

  it("leads neither to metrics nor to the debugger", () => {
    const to = Object.fromEntries(
      ingressPaths(plan()).map(({ path, backend }) => [path, backend.service.name]),
    );
    expect(to).toEqual({ "/metrics": "closed", "/debug": "closed", "/": "broker" });
  });

  it("has no token in the command that people run", () => {
    expect(providerCommand(plan())).toContain("WASIMOFF_TOKEN_FILE=/token");
    expect(providerCommand(plan({ access: { open: true } }))).not.toContain("token");
  });
});

describe("the host's firewall and the DNS", () => {
  const planned = (values?: Values) => {
    const config = stagingConfiguration(() => {});
    const with_ = values
      ? { ...config, wasimoff: schema.parse({ images: wasimoffImages, ...values }) }
      : config;
    const deployment = planDeployment(with_);
    return { deployment, rules: renderRuleset(planRuleset(with_, deployment)), domain: config.domain };
  };

  it("are the same as ever without it, and have nothing but a name in today's era", () => {
    const without = planned();
    const today = planned({});
    expect(today.rules).toBe(without.rules);
    expect(today.deployment.publicPorts).toEqual(without.deployment.publicPorts);
    const added = today.deployment.dnsRecords.filter(
      ({ name }) => !without.deployment.dnsRecords.some((record) => record.name === name),
    );
    expect(added.map(({ name, type }) => [name, type])).toEqual([[`wasimoff.${today.domain}`, "A"]]);
    expect(planned({ mode: "localhost" }).deployment.dnsRecords).toEqual(without.deployment.dnsRecords);
  });

  it("open 4443, TCP and UDP, to the networks that may", () => {
    const { rules, deployment } = planned({ era: "webtransport", access: { networks } });
    expect(rules).toContain(
      "ip saddr { 192.0.2.0/24, 198.51.100.7/32 } meta l4proto { tcp, udp } th dport 4443 dnat ip to numgen",
    );
    expect(
      deployment.publicPorts.filter(({ ports }) => ports === "4443").map(({ protocol }) => protocol),
    ).toEqual(["tcp", "udp"]);
    const open = planned({ era: "webtransport", access: { open: true } }).rules;
    expect(open).toMatch(/^ +meta l4proto \{ tcp, udp \} th dport 4443 dnat/m);
  });
});
