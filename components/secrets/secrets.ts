import * as pulumi from "@pulumi/pulumi";
import { RandomPassword } from "@pulumi/random";
import {
  authorityCertificate,
  type CertificateNames,
  recipientCertificate,
  serverCertificate,
} from "./certificates";
import {
  bytesFromText,
  type Curve,
  type EncodedKeyPair,
  ecdsaFromRandom,
  ecdsaRandomBytes,
  ed25519FromSeed,
  ed25519SeedBytes,
  openSshEd25519,
  pkcs8Pem,
  zauthKeyPair,
} from "./keys";

/** Arguments of {@link Secrets}. */
export interface SecretsArgs {
  /** Says in `authorized_keys` whose key it is: one line of printable characters. */
  readonly sshKeyComment: string;
  /** The name of the stack's certificate authority. */
  readonly authorityName: string;
  /** Password with which brig logs in to the SMTP server. @default a generated one, for a server that asks for none */
  readonly smtpPassword?: pulumi.Input<string>;
}

/** What a client of MinIO shows. */
export interface AccessKey {
  readonly accessKey: pulumi.Output<string>;
  readonly secretKey: pulumi.Output<string>;
}

/** Key and certificate of a server, in PEM. */
export interface ServerIdentity {
  readonly privateKey: pulumi.Output<string>;
  /** Not a secret. */
  readonly certificate: pulumi.Output<string>;
}

/**
 * Length in characters of the texts that keys are made from: 762 bits, where the most demanding key
 * (P-521) takes 585.
 */
const keyTextLength = 128;

/**
 * All secrets of a deployment, grouped by who uses them; `docs/secrets.md` has them as a table. Each is
 * made once and kept, encrypted, in the state: no later run changes one, not even a run of a version of
 * this program that would make it longer.
 *
 * To rotate one, replace its resource: `npm run pulumi -- up --replace <URN>`, where the URN comes from
 * `npm run pulumi -- stack --show-urns`; everything that uses the secret follows in the same run. Not so
 * lightly the keys: a new zauth key logs every user out and ends the tokens of bots, which never expire
 * by themselves, and with new MLS keys the backend cannot remove anybody from the groups that exist,
 * because each group trusts the public key that it was founded with.
 *
 * The names and the type of the children are part of what is kept: renaming one makes a new secret.
 */
export class Secrets extends pulumi.ComponentResource {
  /** The administrator of MinIO, and the user as which cargohold stores assets. */
  readonly minio: { readonly root: AccessKey; readonly cargohold: AccessKey };
  /** Shared by brig, which hands out credentials for calls, and coturn, which checks them. */
  readonly turn: { readonly secret: pulumi.Output<string> };
  /** brig signs access tokens with the private key; brig and nginz check them with the public one. */
  readonly zauth: {
    readonly privateKeys: pulumi.Output<string>;
    /** Not a secret. */
    readonly publicKeys: pulumi.Output<string>;
  };
  /** Keys with which galley signs the removal of clients from MLS groups, under the names of its chart. */
  readonly mls: {
    readonly removal: {
      readonly ed25519: pulumi.Output<string>;
      readonly ecdsa_secp256r1_sha256: pulumi.Output<string>;
      readonly ecdsa_secp384r1_sha384: pulumi.Output<string>;
      readonly ecdsa_secp521r1_sha512: pulumi.Output<string>;
    };
  };
  /** Passwords of the PostgreSQL users `wire-server` and `repmgr`. */
  readonly postgresql: {
    readonly wireServer: pulumi.Output<string>;
    readonly repmgr: pulumi.Output<string>;
  };
  /** The user of Wire's services, and what the brokers know one another by. */
  readonly rabbitmq: {
    readonly username: string;
    readonly password: pulumi.Output<string>;
    readonly erlangCookie: pulumi.Output<string>;
  };
  /** Opens nginz' internal endpoints for tests where its `env` is `staging`; asked for by the chart always. */
  readonly nginz: {
    readonly username: string;
    readonly password: pulumi.Output<string>;
    /** The line of nginx' password file, with a bcrypt hash. */
    readonly basicAuth: pulumi.Output<string>;
  };
  readonly smtp: { readonly password: pulumi.Output<string> };
  readonly prometheus: { readonly username: string; readonly password: pulumi.Output<string> };
  /** The authority that every machine of the stack trusts. */
  readonly authority: {
    /** In PEM; not a secret. */
    readonly certificate: pulumi.Output<string>;
  };
  /** Keys of a Kubernetes cluster, P-256 in PEM: its authorities, and its administrator. */
  readonly kubernetes: {
    readonly authority: pulumi.Output<string>;
    readonly etcd: pulumi.Output<string>;
    readonly frontProxy: pulumi.Output<string>;
    /** Signs the tokens of pods. */
    readonly serviceAccounts: pulumi.Output<string>;
    readonly admin: pulumi.Output<string>;
  };
  /** The user who may push images to the registry. */
  readonly registry: { readonly username: string; readonly password: pulumi.Output<string> };
  /** Machines encrypt their backups with the certificate, and the private key alone opens them; both in PEM. */
  readonly backups: {
    readonly privateKey: pulumi.Output<string>;
    /** Not a secret. */
    readonly certificate: pulumi.Output<string>;
  };
  /** The key pair with which the program logs in to the machines. */
  readonly ssh: {
    readonly privateKey: pulumi.Output<string>;
    /** Not a secret. */
    readonly publicKey: pulumi.Output<string>;
  };
  /**
   * What brig, galley and gundeck show to fake-aws. Constants and no secrets: the services want to be given
   * something, and nobody checks it, so a random value would only pretend to protect.
   */
  readonly fakeAws = { awsKeyId: "dummykey", awsSecretKey: "dummysecret" } as const;
  /** Registry login that the team-settings chart asks for: `{}` in base64, as the image is on the nodes already. */
  readonly teamSettings = { configJson: "e30K" } as const;

  readonly #keyBytes: (child: string, bytes: number) => pulumi.Output<Buffer>;
  readonly #signer: { readonly commonName: string; readonly key: pulumi.Output<string> };
  readonly #keyPair: (
    child: string,
    encode: (seed: Buffer) => EncodedKeyPair,
  ) => { privateKey: pulumi.Output<string>; publicKey: pulumi.Output<string> };
  readonly #text: (child: string, length: number) => pulumi.Output<string>;
  /** Makes the child of an Ed25519 key and gives the key as PEM of PKCS#8. */
  readonly #ed25519: (child: string) => pulumi.Output<string>;

  constructor(name: string, args: SecretsArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:secrets:Secrets", name, {}, options);

    // Letters and digits alone, since the values land in URLs, INI files, YAML and shell. A RandomPassword
    // also where bytes are wanted: the ID of a RandomBytes is its value, and IDs stand in the state, in
    // previews and in logs in plain text.
    const random = (child: string, length: number) =>
      new RandomPassword(
        `${name}-${child}`,
        { length, special: false },
        // Another length in a later version of the program is for new deployments only.
        { parent: this, ignoreChanges: ["length", "special"] },
      );
    const text = (child: string, length: number) => pulumi.secret(random(child, length).result);
    this.#text = text;
    const accessKey = (child: string, secretKeyLength: number): AccessKey => ({
      // MinIO takes access keys of 3 to 20 characters.
      accessKey: text(`${child}-access-key`, 20),
      secretKey: text(`${child}-secret-key`, secretKeyLength),
    });
    const keyBytes = (child: string, bytes: number) =>
      text(child, keyTextLength).apply((characters) => bytesFromText(characters, bytes));
    this.#keyBytes = keyBytes;
    this.#ed25519 = (child) =>
      keyBytes(child, ed25519SeedBytes).apply((seed) => pkcs8Pem(ed25519FromSeed(seed)));
    this.#keyPair = (child: string, encode: (seed: Buffer) => EncodedKeyPair) => {
      const pair = keyBytes(child, ed25519SeedBytes).apply(encode);
      return { privateKey: pair.privateKey, publicKey: pulumi.unsecret(pair.publicKey) };
    };
    const ecdsaPem = (child: string, curve: Curve) =>
      keyBytes(child, ecdsaRandomBytes(curve)).apply((bytes) => pkcs8Pem(ecdsaFromRandom(curve, bytes)));

    this.minio = { root: accessKey("minio-root", 42), cargohold: accessKey("minio-cargohold", 30) };
    this.turn = { secret: text("turn", 64) };
    const zauth = this.#keyPair("zauth", zauthKeyPair);
    this.zauth = { privateKeys: zauth.privateKey, publicKeys: zauth.publicKey };
    this.mls = {
      removal: {
        ed25519: this.#ed25519("mls-removal-ed25519"),
        ecdsa_secp256r1_sha256: ecdsaPem("mls-removal-p256", "P-256"),
        ecdsa_secp384r1_sha384: ecdsaPem("mls-removal-p384", "P-384"),
        ecdsa_secp521r1_sha512: ecdsaPem("mls-removal-p521", "P-521"),
      },
    };
    this.postgresql = {
      wireServer: text("postgresql-wire-server", 32),
      repmgr: text("postgresql-repmgr", 32),
    };
    this.rabbitmq = {
      username: "wire-server",
      password: text("rabbitmq", 32),
      erlangCookie: text("rabbitmq-erlang-cookie", 32),
    };
    const username = "wire";
    const basicAuth = random("nginz-basic-auth", 42);
    this.nginz = {
      username,
      password: pulumi.secret(basicAuth.result),
      basicAuth: pulumi.secret(pulumi.interpolate`${username}:${basicAuth.bcryptHash}`),
    };
    this.smtp = {
      password: args.smtpPassword === undefined ? text("smtp", 32) : pulumi.secret(args.smtpPassword),
    };
    this.prometheus = { username: "admin", password: text("prometheus", 16) };
    this.#signer = { commonName: args.authorityName, key: this.#ed25519("authority") };
    this.authority = {
      certificate: pulumi.unsecret(
        this.#signer.key.apply((key) => authorityCertificate(key, args.authorityName)),
      ),
    };
    this.kubernetes = {
      authority: ecdsaPem("kubernetes-authority", "P-256"),
      etcd: ecdsaPem("kubernetes-etcd", "P-256"),
      frontProxy: ecdsaPem("kubernetes-front-proxy", "P-256"),
      serviceAccounts: ecdsaPem("kubernetes-service-accounts", "P-256"),
      admin: ecdsaPem("kubernetes-admin", "P-256"),
    };
    this.registry = { username: "wiab", password: text("registry", 32) };
    const opensBackups = ecdsaPem("backups", "P-256");
    this.backups = {
      privateKey: opensBackups,
      certificate: pulumi.unsecret(
        pulumi
          .all([opensBackups, this.#signer.key])
          .apply(([own, signer]) => recipientCertificate(own, "backups", { ...this.#signer, key: signer })),
      ),
    };
    this.ssh = this.#keyPair("ssh", (seed) => openSshEd25519(seed, args.sshKeyComment));

    this.registerOutputs({ sshPublicKey: this.ssh.publicKey, zauthPublicKeys: this.zauth.publicKeys });
  }

  /** Makes the key of a machine's SSH server, a child named `<name>-ssh-host-<machine>`; the public one is no secret. */
  hostIdentity(machine: string): { privateKey: pulumi.Output<string>; publicKey: pulumi.Output<string> } {
    return this.#keyPair(`ssh-host-${machine}`, (seed) => openSshEd25519(seed, machine));
  }

  /**
   * Makes the key with which a machine brings its backups to the asset host, a child named `<name>-backup-<machine>`, in
   * OpenSSH's formats; the public one is no secret.
   */
  backupIdentity(machine: string): { privateKey: pulumi.Output<string>; publicKey: pulumi.Output<string> } {
    return this.#keyPair(`backup-${machine}`, (seed) => openSshEd25519(seed, `backup-${machine}`));
  }

  /** Makes the key with which backups are brought off the host, a child named `<name>-offhost`, in OpenSSH's formats. */
  offHostIdentity(): { privateKey: pulumi.Output<string>; publicKey: pulumi.Output<string> } {
    return this.#keyPair("offhost", (seed) => openSshEd25519(seed, "wiab-backups"));
  }

  /** Makes what people show at the front of Wasimoff, a child named `<name>-wasimoff`. */
  wasimoffToken(): pulumi.Output<string> {
    return this.#text("wasimoff", 32);
  }

  /** Makes a key of 32 bytes, a child named `<name>-<child>`, in hexadecimal digits. */
  symmetricKey(child: string): pulumi.Output<string> {
    return this.#keyBytes(child, 32).apply((bytes) => bytes.toString("hex"));
  }

  /** Makes the key of a server, a child named `<name>-<child>-tls`, and has the authority certify it. */
  serverIdentity(child: string, names: CertificateNames): ServerIdentity {
    const key = this.#ed25519(`${child}-tls`);
    const certificate = pulumi
      .all([key, this.#signer.key])
      .apply(([own, signer]) => serverCertificate(own, names, { ...this.#signer, key: signer }));
    return { privateKey: key, certificate: pulumi.unsecret(certificate) };
  }
}
