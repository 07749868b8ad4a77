# Looks at Wire from outside: each public name, through the host's firewall, has the right certificate and an answer.
: "${ADDRESS:?public address of the host}" "${NAMES:?public host names}" "${SECONDS_TO_WAIT:?how long it may take}"
: "${FINGERPRINT?SHA-256 fingerprint of the certificate, empty for any that covers the name}"

# Prints what is wrong with a name, if anything is.
look_at() {
  local name=$1 certificate shown line code
  certificate=$(timeout 10 openssl s_client -connect "$ADDRESS:443" -servername "$name" </dev/null 2>/dev/null |
    openssl x509 2>/dev/null) || {
    printf '%s: no TLS on %s port 443\n' "$name" "$ADDRESS"
    return
  }
  if [ -n "$FINGERPRINT" ]; then
    shown=$(openssl x509 -noout -fingerprint -sha256 <<<"$certificate")
    [ "${shown#*=}" = "$FINGERPRINT" ] || {
      printf '%s: shows another certificate, %s\n' "$name" "$(openssl x509 -noout -subject <<<"$certificate")"
      return
    }
  elif [[ $(openssl x509 -noout -checkhost "$name" <<<"$certificate") != *"does match"* ]]; then
    printf '%s: its certificate is not for it, %s\n' "$name" "$(openssl x509 -noout -subject <<<"$certificate")"
    return
  fi
  # Not before the certificate is known to be the right one.
  line=$(printf 'GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$name" |
    timeout 20 openssl s_client -quiet -connect "$ADDRESS:443" -servername "$name" 2>/dev/null | head -n 1 || true)
  code=$(cut -d ' ' -f 2 <<<"$line")
  case $code in
    [1-4][0-9][0-9]) ;;
    *) printf '%s: answers %s\n' "$name" "${code:-nothing}" ;;
  esac
}

all_well() {
  local name wrong=()
  for name in $NAMES; do mapfile -t -O "${#wrong[@]}" wrong < <(look_at "$name"); done
  [ "${#wrong[@]}" = 0 ] || {
    printf '%s\n' "${wrong[@]}"
    return 1
  }
}

apply() {
  wait_for "every public name to answer" "$SECONDS_TO_WAIT" all_well
}
