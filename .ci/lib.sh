# What .ci/run and .ci/long share. Sourced, from the repository's root.

step() { printf '\n== %s (%s s so far)\n' "$*" "$SECONDS"; }
loudly() { printf '\n!! %s\n' "$*"; }

# A rustup component, toolchain or target; fails when it is not there and cannot be had.
component() { rustup component list --installed | grep -q "^$1" || rustup component add "$1"; }
toolchain() {
  cargo "+$1" --version >/dev/null 2>&1 || rustup toolchain install "$1" --profile minimal
}
target() {
  rustup target list --installed | grep -qx "$1" || rustup target add "$1"
}
tool() { command -v "$1" >/dev/null || cargo install --locked "${2:-$1}"; }

# Packages of the distribution, where they can be had without a question; whoever asks looks whether they are there now.
packages() {
  local apt=(apt-get)
  [ "$(id -u)" = 0 ] || apt=(sudo -n apt-get)
  if [ -z "${packages_are_listed:-}" ]; then
    packages_are_listed=1
    "${apt[@]}" update -q >/dev/null 2>&1 || true
  fi
  "${apt[@]}" install -qy --no-install-recommends "$@" >/dev/null 2>&1 || true
}
runs() { "$@" >/dev/null 2>&1; }

# nginx and its stream module, which the tests start; where it can be had they must not skip it.
nginx_for_tests() {
  local stream=/usr/lib/nginx/modules/ngx_stream_module.so
  if ! runs nginx -V || [ ! -e "$stream" ]; then
    packages nginx-light libnginx-mod-stream
  fi
  if runs nginx -V && [ -e "$stream" ]; then
    export PORTCULLIS_REQUIRE_NGINX=1
  else
    loudly "nginx with its stream module cannot be had here: nothing is tested behind it"
  fi
}

# Servers that limits of a fleet are kept on, which the tests start: Redis and Valkey, wherever the distribution has them.
# Where there is one of them the tests must not skip it.
redis_for_tests() {
  local server here=()
  for server in redis-server valkey-server; do
    runs "$server" --version || packages "$server"
    if runs "$server" --version; then
      here+=("$server")
    else
      loudly "$server cannot be had here: limits of a fleet are not tested on it"
    fi
  done
  if [ "${#here[@]}" -gt 0 ]; then
    export PORTCULLIS_REQUIRE_REDIS=1
  else
    loudly "limits of a fleet are tested without a store"
  fi
}

# Who reads what a gate tells: Prometheus, and its client for Python, whose parser is strict. The distribution's python3
# knows the distribution's packages, whatever else is called so.
prometheus_for_tests() {
  local parser='import prometheus_client.openmetrics.parser'
  parses() { runs python3 -c "$parser" || runs /usr/bin/python3 -c "$parser"; }
  parses || packages python3-prometheus-client
  runs prometheus --version || packages prometheus
  if parses && runs prometheus --version; then
    export PORTCULLIS_REQUIRE_PROMETHEUS=1
  else
    loudly "Prometheus or its client for Python cannot be had here: nobody else reads the metrics"
  fi
}

# A browser, which the tests look at the status page with; where it can be had they must not skip it.
browser_for_tests() {
  a_browser_runs || packages chromium
  if a_browser_runs; then
    export PORTCULLIS_REQUIRE_BROWSER=1
  else
    loudly "Chromium cannot be had here: the status page is not tested in a browser"
  fi
}
a_browser_runs() {
  local program
  for program in chromium chromium-browser google-chrome google-chrome-stable; do
    ! runs "$program" --version || return 0
  done
  return 1
}

# The real data, where it lies beside the checkout; tests fall back to small samples and say so.
if [ -z "${PORTCULLIS_DATA:-}" ] && [ -d ../shared/data ]; then
  PORTCULLIS_DATA=$(cd ../shared/data && pwd)
  export PORTCULLIS_DATA
fi
[ -n "${PORTCULLIS_DATA:-}" ] || loudly "PORTCULLIS_DATA is not set: no real list is tested, only small samples"

fuzz_targets() { sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | grep -v '^portcullis'; }

# Runs every fuzz target for $1 seconds, from its seeds; two at a time, since each keeps one processor busy.
fuzz_all() {
  step "fuzz: $(fuzz_targets | wc -l) targets, $1 s each"
  # Without a sanitizer: there is no unsafe code to watch, and it is built and run twice as fast.
  (cd fuzz && cargo +nightly fuzz build --sanitizer none)
  fuzz_targets | xargs -P 2 -I '{}' bash -c 'fuzz_one "$@"' - '{}' "$1"
}
fuzz_one() {
  local target=$1 log status=0
  log=$(mktemp)
  mkdir -p "fuzz/corpus/$target"
  (cd fuzz && cargo +nightly fuzz run --sanitizer none "$target" "corpus/$target" "seeds/$target" -- \
    -max_total_time="$2" -max_len=4096 -print_final_stats=1) >"$log" 2>&1 || status=$?
  # In one piece, though another one runs beside it; all of it when it has found something.
  printf -- '-- %s\n%s\n' "$target" "$([ "$status" -eq 0 ] && tail -n 12 "$log" || cat "$log")"
  rm -f "$log"
  return "$status"
}
export -f fuzz_one
