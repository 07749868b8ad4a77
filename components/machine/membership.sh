# Refuses to lose data: a node may go from the list of nodes only once it has given what it has to the others.
: "${NODES:?one line each: name, and yes or no for whether it retires}"
: "${LIST:?file that keeps them on the node}"
: "${CLUSTER:?what they are the nodes of}"
: "${SHARE:?what a node has that has not retired}"
: "${MOMENT:?before anything changes, or after all of them have become what they shall be}"

apply() {
  case $MOMENT in
    before) check ;;
    after) record "$NODES"$'\n' ;;
  esac
  say "nodes of $CLUSTER that stay: $(grep -c ' no$' <<<"$NODES")"
}

check() {
  local name retired list=''
  [ -f "$LIST" ] || put "$LIST" ""
  while read -r name retired; do
    if ! grep -q "^$name " <<<"$NODES"; then
      [ "$retired" = yes ] ||
        fail "$name is not among the machines any more, and it still has $SHARE: put it back with \`retiring: true\`, and take it out in a run after that one"
    else
      list+="$name $retired"$'\n'
    fi
  done <"$LIST"
  while read -r name _; do
    grep -q "^$name " <<<"$list" || list+="$name no"$'\n'
  done <<<"$NODES"
  record "$list"
}

record() { holds "$LIST" "$1" || put "$LIST" "$1"; }
