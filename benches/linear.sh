#!/usr/bin/env bash
# Counts the instructions of judging one hostile request of lengths n, 2n and 4n, for each kind that
# benches/paths/benches/linear.rs knows, and fails where twice the length costs more than 2.2 times as many.
# Counts are exact: no clock is read, and a busy machine does not matter. Needs valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."

most=2.2
program=$(cargo bench --no-run --locked -p portcullis-benches --bench linear 2>&1 |
  tee >(cat >&2) | sed -n 's/.*Executable.*(\(.*\))$/\1/p')

# Instructions of a whole run: kind, length, times.
run() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" "$3" 2>&1 |
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}
# Of one judgement: what 41 cost more than one, so that neither building nor a first time counts.
# Building is not the same each time, as hashes have seeds of their own: the more judgements, the better.
judge() {
  local one many
  one=$(run "$1" "$2" 1)
  many=$(run "$1" "$2" 41)
  echo $(((many - one) / 40))
}

failed=0
printf '%-45s %8s %12s %12s %12s %6s %6s\n' kind n 'I(n)' 'I(2n)' 'I(4n)' 2n/n 4n/2n
while read -r length kind; do
  n=$(judge "$kind" "$length")
  n2=$(judge "$kind" $((2 * length)))
  n4=$(judge "$kind" $((4 * length)))
  awk -v kind="$kind" -v length_="$length" -v n="$n" -v n2="$n2" -v n4="$n4" -v most="$most" 'BEGIN {
    first = n2 / (n > 0 ? n : 1); second = n4 / (n2 > 0 ? n2 : 1)
    # A few thousand instructions are the noise of seeds.
    bad = first > most && n2 - n > 10000 || second > most && n4 - n2 > 10000
    printf "%-45s %8d %12d %12d %12d %6.2f %6.2f%s\n", kind, length_, n, n2, n4, first, second, bad ? "  TOO MUCH" : ""
    exit bad
  }' || failed=1
done < <("$program")
exit $failed
