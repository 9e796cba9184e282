#!/usr/bin/env bash
# Counts the instructions of each operation that benches/paths/benches/instructions.rs knows, and compares them with
# benches/instructions.tsv: more than 3 % and 3 instructions above are a failure. `--bless` writes the counts there.
# Counts do not depend on how busy the machine is, but on the compiler, on the C library and on what the processor
# can: where one of them is another one than the table's, they are shown, and nothing fails. Needs valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."

table=benches/instructions.tsv
flags=$(sed -n 's/^flags[^:]*://p' /proc/cpuinfo 2>/dev/null | head -n 1 | sha256sum | cut -c 1-8)
here="rustc $(rustc --version | cut -d' ' -f2), $(uname -m) $flags, $(getconf GNU_LIBC_VERSION 2>/dev/null || true)"
program=$(cargo bench --no-run --locked -p portcullis-benches --bench instructions 2>&1 |
  tee >(cat >&2) | sed -n 's/.*Executable.*(\(.*\))$/\1/p')

# Instructions of a whole run: name, times.
run() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

counts=$(mktemp)
trap 'rm -f "$counts"' EXIT
printf '# %s\n' "$here" >"$counts"
"$program" | while read -r name; do
  one=$(run "$name" 1)
  many=$(run "$name" 20001)
  printf '%s\t%d\n' "$name" $(((many - one + 10000) / 20000)) >>"$counts"
done

if [ "${1:-}" = --bless ]; then
  cp "$counts" "$table"
fi
strict=1
if [ "$(head -n 1 "$table")" != "# $here" ]; then
  printf '\n!! the table is of %s, and here is %s: counts are shown, and nothing fails\n' \
    "$(head -n 1 "$table")" "$here"
  strict=0
fi
awk -F '\t' -v strict="$strict" '
  /^#/ { next }
  FNR == NR { before[$1] = $2; next }
  {
    if (!($1 in before)) { verdict = "  NEW: bless it"; bad = 1 }
    else if ($2 > before[$1] * 1.03 + 3) { verdict = "  TOO MUCH"; bad = 1 }
    else if ($2 < before[$1] * 0.97 - 3) verdict = "  less: bless it"
    else verdict = ""
    printf "%-36s %8d %8s%s\n", $1, $2, ($1 in before) ? before[$1] : "-", verdict
    seen[$1] = 1
  }
  END {
    for (name in before) if (!(name in seen)) { printf "%s is not counted any more\n", name; bad = 1 }
    exit bad && strict
  }' "$table" "$counts"
