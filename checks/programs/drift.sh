# Compares what scripts have left on this machine, as they have recorded it, with how it is now. Changes nothing.
: "${RECORDS:?names of the records of their last runs, one a line, below the folder of records}"

MADE_HERE=/var/lib/wiab/made

apply() {
  local record kind what before now seen='|'
  while read -r record; do
    [ -e "$MADE_HERE/$record" ] || tell "$record" "nothing is recorded of it: an earlier version has made it. The next up records it"
  done <<<"$RECORDS"
  # Of what several have changed, the last one counts.
  while read -r record; do
    while IFS=$'\t' read -r kind what before; do
      [ -n "$kind" ] || continue
      case $seen in *"|$kind $what|"*) continue ;; esac
      seen+="$kind $what|"
      now=$(state_of "$kind" "$what" | tail -n 1 | cut -f 3)
      [ "$now" = "$before" ] || tell "$record" "$(difference)"
    done <"$MADE_HERE/$record"
  done < <(newest_first)
}

newest_first() {
  local record
  while read -r record; do
    [ ! -e "$MADE_HERE/$record" ] || stat --format "%.Y $record" "$MADE_HERE/$record"
  done <<<"$RECORDS" | sort --reverse --numeric-sort | cut -d ' ' -f 2-
}

tell() { printf '%s\t%s\n' "$1" "$2"; }

# What of KIND and WHAT is otherwise: BEFORE, NOW.
difference() {
  case $kind in
    file)
      if [ -z "$now" ]; then
        echo "$what is gone"
      elif [ "${now%% *}" = "${before%% *}" ]; then
        echo "$what has mode and owner ${now#* }, not ${before#* }"
      else
        echo "$what has been changed"
      fi
      ;;
    output) echo "\`$what\` gives something else" ;;
    *) echo "$kind $what is $now, not $before" ;;
  esac
}
