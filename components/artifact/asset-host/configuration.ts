/** Ports of the asset host: the seed's (001) registry, and the one Wire's playbooks have assets at. */
export const assetPorts = { http: 8080, registry: 5001 } as const;

/** The registry itself listens here, on the loopback interface alone. */
const registryPort = 5000;

/** Directory on the asset host, as in Wire's own deployment. */
export const assetRoot = "/opt/assets";

/**
 * nginx: the current release as files, and the registry behind TLS. Everybody may read images; what changes
 * anything takes the password. Clients find out whether there is one to give by asking for `/v2/` (OCI
 * distribution specification, "Determining Support"), so that path alone demands it of readers as well;
 * containerd does not ask for it.
 */
export const renderNginxSite = (secrets: string): string => `\
server {
  listen ${assetPorts.http} default_server;
  root ${assetRoot}/current;
  autoindex on;
  default_type application/octet-stream;
  # What is installed is checked against the manifest; an altered file must not hide behind a cached name.
  open_file_cache off;
}

server {
  listen ${assetPorts.registry} ssl default_server;
  ssl_certificate ${secrets}/tls.crt;
  ssl_certificate_key ${secrets}/tls.key;
  ssl_protocols TLSv1.2 TLSv1.3;
  # Layers are larger than any sensible limit, and go through as they come.
  client_max_body_size 0;
  proxy_request_buffering off;
  proxy_buffering off;
  proxy_http_version 1.1;
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-Proto https;
  # The registry keeps no users of its own.
  proxy_set_header Authorization "";
  proxy_read_timeout 900;
  auth_basic_user_file ${secrets}/htpasswd;

  location = /v2/ {
    auth_basic "push";
    proxy_pass http://127.0.0.1:${registryPort};
  }
  location /v2/ {
    limit_except GET HEAD {
      auth_basic "push";
    }
    proxy_pass http://127.0.0.1:${registryPort};
  }
}`;

/** docker-registry: images in files, on loopback, for nginx alone. */
export const renderRegistryConfig = (): string => `\
version: 0.1
log:
  level: info
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: /var/lib/docker-registry
  delete:
    enabled: false
http:
  addr: 127.0.0.1:${registryPort}
  relativeurls: true`;
