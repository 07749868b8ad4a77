# Refuses to lose data: a node may go from the list of nodes only once it has given its data to the others.
: "${NODES:?one line each: name, and yes or no for whether it retires}"
: "${MOMENT:?before the services are touched, or after all of them have become what they shall be}"

LIST=/etc/wiab/data-nodes

apply() {
  case $MOMENT in
    before) check ;;
    after) record "$NODES"$'\n' ;;
  esac
  say "the data services have $(grep -c ' no$' <<<"$NODES") nodes that stay"
}

check() {
  local name retired list=''
  [ -f "$LIST" ] || put "$LIST" ""
  while read -r name retired; do
    if ! grep -q "^$name " <<<"$NODES"; then
      [ "$retired" = yes ] ||
        fail "$name is not among the machines any more, and it still has its share of the data: put it back with \`retiring: true\`, and take it out in a run after that one"
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
