# The asset host's two services: nginx, which serves the current release over HTTP on the paths that Wire's
# playbooks use, and the image registry behind it, with TLS. Both come back after a reboot.
: "${NGINX_CONFIG:?nginx.conf}"
: "${REGISTRY_CONFIG:?configuration of docker-registry}"
: "${CERTIFICATE:?of the registry, PEM}"
: "${PRIVATE_KEY:?of the registry, PEM}"
: "${PUSH_USER:?who may push}"
: "${PUSH_PASSWORD:?password of that user}"

SECRETS=/etc/wiab/registry
NGINX=/etc/nginx/nginx.conf
REGISTRY=/etc/docker/registry/config.yml

apply() {
  install_packages nginx docker-registry
  service_file nginx "$SECRETS/tls.crt" "$CERTIFICATE"
  service_file nginx "$SECRETS/tls.key" "$PRIVATE_KEY" 0600
  service_file nginx "$NGINX" "$NGINX_CONFIG"
  service_file docker-registry "$REGISTRY" "$REGISTRY_CONFIG"
  keep_password
  nginx -t -q || fail "nginx refuses $NGINX on $(hostname)"
  run_service docker-registry
  run_service nginx
  wait_for "the registry behind nginx" 60 registry_answers
  wait_for "the assets" 30 test_page "http://127.0.0.1:8080/"
  say "nginx serves the artifact at port 8080 and the registry at port 5001"
}

# A salted hash differs each time, so the one that is there is asked whether it is of this password.
keep_password() {
  local file=$SECRETS/htpasswd line salt
  line=$(cat "$file" 2>/dev/null || true)
  salt=$(cut -d '$' -f 3 <<<"$line")
  if [ -z "$salt" ] || [ "$line" != "$PUSH_USER:$(hash_password "$salt")" ]; then
    install -m 0640 -g www-data /dev/stdin "$file.new" <<<"$PUSH_USER:$(hash_password "$(openssl rand -hex 8)")"
    mv "$file.new" "$file"
  fi
}

hash_password() { openssl passwd -6 -salt "$1" -stdin <<<"$PUSH_PASSWORD"; }

# Through TLS and nginx to the registry itself; anybody may ask for the list of repositories.
registry_answers() {
  test_page "https://127.0.0.1:5001/v2/_catalog?n=1"
}

test_page() {
  python3 - "$1" /etc/wiab/ca.crt <<'EOF_PYTHON'
import ssl, sys, urllib.request
url, authority = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
try:
    urllib.request.urlopen(url, context=context if url.startswith("https") else None, timeout=10).read()
except OSError as error:
    sys.exit(f"{url}: {error}")
EOF_PYTHON
}
