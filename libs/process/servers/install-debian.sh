#!/bin/sh
# install-debian.sh <base> <packages...>: installs servers' packages with apt-get, as root, without starting a service and
# without making a PostgreSQL cluster. <base>: put before the paths of the files below, empty but in tests.
set -eu
base=$1
shift
export DEBIAN_FRONTEND=noninteractive

# Debian asks this program before it starts a service; 101: do not.
policy=$base/usr/sbin/policy-rc.d
clusters=$base/etc/postgresql-common/createcluster.conf
own="# of plimsoll, for the time of an installation"
kept=
restore() {
  if grep -qsxF "$own" "$policy"; then rm -f "$policy"; fi
  if [ -n "$kept" ]; then cat "$kept" >"$clusters" && rm -f "$kept"; fi
}
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\n%s\nexit 101\n' "$own" >"$policy"
  chmod 755 "$policy"
fi

install() { apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@"; }

# A list that cannot be fetched may be of a repository that is not needed; then the installation decides.
apt-get -o DPkg::Lock::Timeout=120 update || true
for name in "$@"; do
  [ "$name" = postgresql ] || continue
  # The settings come with this package; the next one would make a cluster.
  install postgresql-common
  [ -e "$clusters" ] || continue
  kept=$(mktemp)
  cat "$clusters" >"$kept"
  sed -E 's/^#?create_main_cluster.*$/create_main_cluster = false/' "$kept" >"$clusters"
done
install "$@"
