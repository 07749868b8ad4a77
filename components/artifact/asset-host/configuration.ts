/** Ports of the asset host: the seed's (001) registry, and the one Wire's playbooks have assets at. */
export const assetPorts = { http: 8080, registry: 5001 } as const;

/** The registry itself listens here, on the loopback interface alone. */
const registryPort = 5000;

/** Directories on the asset host, below the one that Wire's own deployment has. */
export const assetRoots = { packages: "/opt/assets/packages", images: "/opt/assets/images" } as const;

/**
 * nginx: the artifact as files, and the registry behind TLS. Everybody may read images; what changes anything
 * takes the password. Clients find out whether there is one to give by asking for `/v2/` (OCI distribution
 * specification, "Determining Support"), so that path alone demands it of readers as well; containerd does
 * not ask for it.
 * @param secrets - Directory with the registry's key, certificate and password file.
 */
export const renderNginxConfig = (secrets: string): string => `\
user www-data;
# More than processors: one that receives from a sender faster than itself looks at nobody else meanwhile, and
# another one takes the next connection.
worker_processes 8;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;

events {
  worker_connections 768;
}

http {
  access_log off;
  sendfile on;
  server_tokens off;
  include /etc/nginx/mime.types;
  default_type application/octet-stream;

  server {
    listen ${assetPorts.http} default_server;
    root ${assetRoots.packages}/current;
    autoindex on;
    # Every file in a bundle is of the same, old date: "not modified since" would hide a newer bundle.
    if_modified_since off;

    # Image archives; their index is among the packages.
    location ~ ^/containers-.*\\.(tar|tgz)$ {
      root ${assetRoots.images}/current;
    }
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
  }
}
`;

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
  relativeurls: true
`;
