#!/bin/bash
# Installs PowerView on an Ubuntu server, or brings an installation to the state of the clone that it lies in. A second
# run changes nothing that is right already. It touches what is named below, and nothing else:
#   /usr/local/src/powerview        the clone that root owns: whatever root runs, or installs, comes from there
#   /srv/powerview, /srv/sftpgo     PowerView with its .env and its Python; uploads, logs, state
#   /etc                            sftpgo/sftpgo.env, sftpgo/env.d/setup.env, caddy/Caddyfile and its copy
#                                   caddy/Caddyfile.powerview, logrotate.d/powerview, gitconfig, and in systemd/system
#                                   powerview-sweep.* and caddy.service.d/powerview.conf
#   packages                        those of `packages`, Caddy and SFTPGo with their package sources
#   the firewall, and the admin's containers: two services and two volumes, started again after a reboot
# All below /srv belongs to sftpgo, who could put anything there: root only changes owners there, and follows no link.
# What must be written, read or run there is written, read and run as sftpgo.
# It is one file, if a long one, because a person may want to read all of it before root runs it.
set -euo pipefail

readonly SOURCE=/usr/local/src/powerview PROJECT=/srv/powerview UPLOADS=/srv/sftpgo
readonly VENV=$PROJECT/envs/powerview
readonly SECRETS=(INFLUXDB_ADMIN_TOKEN INFLUXDB_PASSWORD GRAFANA_PASSWORD) # made where .env has none
# A line of .env. Groups: 1 the word export, 2 the name, 3 what stands behind the `=`.
readonly ENTRY="^[[:space:]]*(export[[:space:]]+)?'?([A-Z_]+)'?[[:space:]]*=(.*)\$"
readonly SETUP_CODE=/etc/sftpgo/env.d/setup.env
readonly CADDYFILE=/etc/caddy/Caddyfile CADDYFILE_KEPT=/etc/caddy/Caddyfile.powerview # as we put it there
readonly SWEEP=/etc/systemd/system/powerview-sweep.service
readonly CADDY_DROP_IN=/etc/systemd/system/caddy.service.d/powerview.conf
readonly CADDY_SOURCE=https://dl.cloudsmith.io/public/caddy/stable
readonly CADDY_KEYRING=/usr/share/keyrings/caddy-stable-archive-keyring.gpg
readonly CADDY_LIST=/etc/apt/sources.list.d/caddy-stable.list
HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
readonly HERE

usage() {
  cat <<'END'
usage: sudo git clone ADDRESS /usr/local/src/powerview
       sudo /usr/local/src/powerview/deploy/install.sh --domain adecwatts.fr --email contact@adecwatts.fr
  --domain DOMAIN  the public names are powerview.DOMAIN, db.powerview.DOMAIN and ftp.powerview.DOMAIN
  --email ADDRESS  whom the certificates are issued to
  --admin USER     the person who runs the containers and may write to /srv (default: the admin of the first run; in
                   the first run who called sudo, else ubuntu)
  --no-caddy       leave Caddy alone: no public names, or its Caddyfile has other sites and is merged by hand
  --uninstall      take away what it put into /etc, the sweep and the containers, never data; with --dry-run: list it
  --dry-run        print every command that a fresh server needs, and do nothing
A second run needs no options: it finds domain and address in /srv/powerview/.env, keeps the admin, and leaves Caddy
alone if the first one did (until it is given --domain).
END
}

# ── running and printing ───────────────────────────────────────────────────────────────────────────────────────────

die() {
  printf 'install.sh: %s\n' "$@" >&2
  exit 1
}

heading() {
  printf '\n# %s\n' "$*"
}

# usage: run COMMAND [ARGUMENT …]; print it as it can be pasted, and run it unless this is a dry run.
run() {
  local word words=()
  for word; do
    if [[ $word =~ ^[A-Za-z0-9_@%+=:,./-]+$ ]]; then words+=("$word"); else words+=("${word@Q}"); fi
  done
  printf '%s\n' "${words[*]}"
  if [[ ! $dry_run ]]; then "$@"; fi
}

# usage: already TEST [ARGUMENT …]; whether a step can be left out. A dry run shows a fresh server, where none can.
already() {
  [[ ! $dry_run ]] && "$@"
}

# usage: put FILE PLACE MODE [OWNER:GROUP]; copy FILE there if PLACE differs; changed=yes means that it did.
put() {
  local file=$1 place=$2 mode=$3 owner=${4:-root:root}
  if already cmp --silent "$file" "$place"; then return; fi
  run install -m "$mode" "$file" "$place"
  # Not by -o and -g: the coreutils in Rust have confused the two.
  if [[ $owner != root:root ]]; then run chown "$owner" "$place"; fi
  changed=yes
}

# usage: write PLACE MODE [OWNER:GROUP] <<<TEXT; as put, for a text that is made here.
write() {
  local place=$1 mode=$2 owner=${3:-root:root} text
  text=$(cat)
  if already cmp --silent "$place" - <<<"$text"; then return; fi
  make_folder "${place%/*}"
  printf "cat >%s <<'END'\n%s\nEND\n" "$place" "$text"
  printf '%s\n' "chmod $mode $place && chown $owner $place"
  if [[ ! $dry_run ]]; then fill "$place" "$mode" "$owner" <<<"$text"; fi
  changed=yes
}

# usage: fill PLACE MODE OWNER:GROUP <<<TEXT; nobody sees it half written, or with other rights. (Not by `install` from
# /dev/stdin: the coreutils of Ubuntu 25.10 and 26.04 refuse that.)
fill() {
  local new
  new=$(umask 077 && mktemp "$1.XXXXXX")
  cat >"$new"
  chown "$3" "$new"
  chmod "$2" "$new"
  mv -f -- "$new" "$1"
}

# usage: make_folder PLACE
make_folder() {
  if ! already test -d "$1"; then run mkdir -p "$1"; fi
}

# usage: up_to_date UNIT FILE …; whether UNIT runs, and has been started since the last change of each FILE.
# A restart that failed, or that an interrupted run did not come to, is found so.
up_to_date() {
  local unit=$1 started file
  shift
  systemctl is-active --quiet "$unit" || return
  started=$(systemctl show --property=ActiveEnterTimestamp --value --timestamp=unix "$unit")
  [[ $started =~ ^@([0-9]+)$ ]] || return
  for file; do
    ((BASH_REMATCH[1] >= $(stat -c %Z "$file"))) || return # not %Y: a file moved here keeps its old time in that
  done
}

# usage: as_admin COMMAND [ARGUMENT …]; as the person whose containers these are, with the session of that person.
as_admin() {
  run runuser -u "$admin" -- env -C "$PROJECT" HOME="$admin_home" XDG_RUNTIME_DIR="/run/user/$admin_uid" \
    DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$admin_uid/bus" "$@"
}

# usage: as_sftpgo COMMAND [ARGUMENT …]; below /srv, where whatever is run may be another's.
as_sftpgo() {
  run runuser -u sftpgo -- env -C "$UPLOADS" HOME=/nonexistent "$@"
}

# usage: secret; 64 random characters that no file format has to quote.
secret() {
  od -vAn -N32 -tx1 /dev/urandom | tr -d ' \n'
}

# ── what is asked for, and where ─────────────────────────────────────────────────────────────────────────────────────

options() {
  domain='' email='' admin='' dry_run='' uninstall='' caddy=yes changed=''
  while (($#)); do
    case $1 in
      --domain | --email | --admin)
        (($# > 1)) || die "$1 needs a value" "$(usage)"
        printf -v "${1#--}" %s "$2"
        shift
        ;;
      --no-caddy) caddy='' ;;
      --dry-run)  dry_run=yes ;;
      --uninstall) uninstall=yes ;;
      -h | --help)
        usage
        exit
        ;;
      *) die "what is $1?" "$(usage)" ;;
    esac
    shift
  done
  if [[ ! $domain ]] && caddy_was_left_alone; then caddy=''; fi
  : "${domain:=$(setting POWERVIEW_DOMAIN)}" "${email:=$(setting POWERVIEW_ACME_EMAIL)}"
  admin_before=$(admin_before)
  : "${admin:=${admin_before:-${SUDO_USER:-ubuntu}}}"
}

# Whether an earlier run, or a person, put everything in place but what Caddy needs: the sweep comes after it.
caddy_was_left_alone() {
  [[ -e $SWEEP && ! -e $CADDY_DROP_IN ]]
}

# usage: setting NAME; its value in an .env that is there already: of its lines the last one counts.
setting() {
  local line value=''
  if [[ ! -f $PROJECT/.env || -L $PROJECT/.env || ! -r $PROJECT/.env ]]; then return; fi
  while IFS= read -r line || [[ $line ]]; do
    if [[ $line =~ $ENTRY && ${BASH_REMATCH[2]} == "$1" ]]; then value=$(plain "${BASH_REMATCH[3]}"); fi
  done <"$PROJECT/.env"
  printf '%s\n' "$value"
}

# usage: plain REST; what python-dotenv reads from the REST of a line behind its `=`: without quotes, a comment behind
# the value, and blanks around it. (What a backslash does between quotes is left out: none of our settings has one.)
plain() {
  local value=${1#"${1%%[![:space:]]*}"}
  case $value in
    \'*\'*) value=${value#\'} value=${value%%\'*} ;;
    \"*\"*) value=${value#\"} value=${value%%\"*} ;;
    *)
      value=${1%%[[:space:]]#*} value=${value#"${value%%[![:space:]]*}"}
      value=${value%"${value##*[![:space:]]}"}
      ;;
  esac
  printf '%s\n' "$value"
}

# usage: admin_before; whose installation this is already: the group of .env, else the one person in the access list.
admin_before() {
  local name people=()
  if [[ ! -e $PROJECT/.env ]]; then return; fi
  name=$(stat -c %G "$PROJECT/.env")
  if ! is_person "$name"; then
    while IFS=: read -r _ name _; do
      if is_person "$name"; then people+=("$name"); fi
    done < <(getfacl --omit-header --absolute-names "$PROJECT" 2>/dev/null | grep ^user:)
    if ((${#people[@]} != 1)); then return; fi
    name=${people[0]}
  fi
  printf '%s\n' "$name"
}

# usage: is_person NAME; whether it is a login, and none of the system's.
is_person() {
  local uid
  uid=$(id -u -- "$1" 2>/dev/null) && ((uid >= 1000 && uid < 65534))
}

check_options() {
  if [[ $domain || $caddy ]]; then
    [[ $domain =~ ^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9-]+$ ]] ||
      die "--domain must be a name such as adecwatts.fr, not '$domain' (without one: --no-caddy)"
  fi
  if [[ $email || $caddy ]]; then
    [[ $email =~ ^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+$ ]] ||
      die "--email must be an address such as contact@adecwatts.fr, not '$email' (without one: --no-caddy)"
  fi
  [[ $admin =~ ^[A-Za-z_][A-Za-z0-9_.-]*$ && $admin != root ]] || die "--admin must be the login of a person, not '$admin'"
  [[ $admin == "${admin_before:-$admin}" ]] ||
    die "--admin $admin: the containers and $PROJECT/.env are $admin_before's: leave out --admin" \
      "(a move to $admin is made by hand: docs/operate.md, Backup and restore, then chgrp $admin $PROJECT/.env)"
}

find_admin() {
  admin_uid=$(id -u "$admin" 2>/dev/null || echo 1000)
  admin_group=$(id -gn "$admin" 2>/dev/null || echo "$admin")
  admin_home=$(getent passwd "$admin" | cut -d: -f6 || :)
  : "${admin_home:=/home/$admin}"
}

# Everything that would stop us half-way is looked at first.
check_server() {
  ((EUID == 0)) || die "must run as root: sudo $0 …  (--dry-run needs nobody)"
  only_root_writes "$SOURCE" ||
    die "others than root may write in $SOURCE, from where root runs and installs things:" \
      "look who they are (ls -la $SOURCE), move it away and clone it again: sudo git clone ADDRESS $SOURCE"
  [[ ! -L $PROJECT/.env ]] || die "$PROJECT/.env must be a file, not a link"
  command -v apt-get >/dev/null ||
    die "this is for Ubuntu (or a Debian that has SFTPGo); elsewhere follow docs/install.md by hand"
  grep -qi '^ID=ubuntu' /etc/os-release || command -v sftpgo >/dev/null ||
    die "the package source of SFTPGo is Ubuntu's; on this system install SFTPGo first, then run this again"
  id "$admin" >/dev/null 2>&1 || die "there is no user $admin: name yours with --admin"
  cut -d: -f1 /etc/subuid | grep -Fqx -e "$admin" -e "$admin_uid" || die "$admin has no subordinate ids, and containers" \
    "need them: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $admin"
  check_folders
  if [[ $caddy && -e $CADDYFILE ]]; then
    nobodys_caddyfile ||
      die "$CADDYFILE has sites of its own, or was changed by hand:" \
        "add the sites of deploy/Caddyfile to it by hand, and use --no-caddy" \
        "($CADDYFILE_KEPT, if it is there, is what this script put there last)"
  fi
}

# Root runs this from a clone that only root may write. A first run from /srv/powerview, as long as that is root's, makes
# this clone; later sftpgo owns /srv/powerview and could have changed this very script.
run_from_source() {
  if [[ $HERE == "$SOURCE/deploy" ]]; then return; fi
  ((EUID == 0)) || die "must run as root: sudo $0 …  (--dry-run needs nobody)"
  [[ $HERE == "$PROJECT/deploy" ]] ||
    die "root runs this from $SOURCE: sudo git clone ADDRESS $SOURCE, then $SOURCE/deploy/install.sh"
  if [[ ! -e $SOURCE ]]; then
    only_root_writes "$PROJECT" ||
      die "others than root may write in $PROJECT (sftpgo owns it), so what lies there is not for root to run:" \
        "sudo git clone ADDRESS $SOURCE, then sudo $SOURCE/deploy/install.sh with the same options"
    heading "The clone that only root may write"
    run git clone --quiet --no-hardlinks "$PROJECT" "$SOURCE"
    run git -C "$SOURCE" remote set-url origin "$(git -C "$PROJECT" remote get-url origin 2>/dev/null || echo "$PROJECT")"
    exec "$SOURCE/deploy/install.sh" "$@"
  fi
  die "root runs this from $SOURCE, which sftpgo cannot change: sudo $SOURCE/deploy/install.sh" \
    "(to upgrade: sudo git -C $SOURCE pull, or fetch --tags and checkout of a tag, before)"
}

# usage: only_root_writes FOLDER; whether nobody else may change it, anything in it, or one of the folders above it.
only_root_writes() {
  local folder=$1 others=('!' -user root -o -perm -002 -o -perm -020 '!' -group root)
  [[ ! $(find "$folder" '!' -type l '(' "${others[@]}" ')' -print -quit 2>&1) ]] || return
  while [[ $folder == /?* ]]; do
    folder=${folder%/*}
    [[ ! $(find "${folder:-/}" -maxdepth 0 '(' "${others[@]}" ')' 2>&1) ]] || return
  done
}

# The sweep may write below /srv/sftpgo only, and logrotate knows one folder of logs: with others both fail unseen.
# Links count as what they lead to, for the sweep's unit sees them so.
check_folders() {
  local name folder uploads
  local -A usual=([DATA]=$UPLOADS/data [STATE]=$UPLOADS/state [LOG]=$UPLOADS/logs)
  uploads=$(realpath -m "$UPLOADS")
  for name in DATA STATE LOG; do
    folder=$(setting "POWERVIEW_${name}_DIR")
    folder=${folder:-${usual[$name]}}
    if [[ $folder != /* ]]; then folder=$PROJECT/$folder; fi
    folder=$(realpath -m -- "$folder")
    [[ $folder == "$uploads"/* ]] ||
      die "POWERVIEW_${name}_DIR must lie below $UPLOADS, not at $folder: the sweep may write nowhere else" \
        "(move it to ${usual[$name]}, and set that in $PROJECT/.env; a disk of its own is mounted there)"
  done
  [[ $folder == "$(realpath -m "$UPLOADS/logs")" ]] ||
    die "POWERVIEW_LOG_DIR must be $UPLOADS/logs, not $folder: other logs are not rotated (set it in $PROJECT/.env)"
}

# Whether nothing is lost if the Caddyfile is replaced: it is ours, of today or as we put it there, or the package's.
nobodys_caddyfile() {
  local ours sum packaged
  for ours in "$HERE/Caddyfile" "$CADDYFILE_KEPT"; do
    if cmp --silent "$ours" "$CADDYFILE"; then return; fi
  done
  sum=$(md5sum <"$CADDYFILE") # dpkg's own kind of checksum
  packaged=$(dpkg-query --show --showformat='${Conffiles}\n' caddy 2>/dev/null) || return
  [[ $packaged == *" $CADDYFILE ${sum%% *}"* ]]
}

# ── the steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

packages() {
  heading "Packages"
  run apt-get update
  python=python3
  if apt-cache show python3.13-venv >/dev/null 2>&1; then python=python3.13; fi
  run apt-get install -y "$python-venv" git rename acl podman podman-compose ufw logrotate curl gnupg
  if [[ ! $dry_run ]] && ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    die "PowerView needs Python 3.11 or newer, and $python is older: use a newer Ubuntu"
  fi
  if [[ ! $dry_run ]]; then check_compose; fi
}

# podman-compose 1.0.3 hands `${NAME:-}` on as it stands; with 1.0.6 (Ubuntu 24.04) to 1.6.0 compose.yaml was tried.
check_compose() {
  local shown shape='podman-composer? version:? +([0-9]+)\.([0-9]+)\.([0-9]+)'
  shown=$(podman-compose --version 2>/dev/null || :)
  [[ $shown =~ $shape ]] ||
    die "podman-compose --version shows no version: is podman-compose installed, and does podman run?"
  ((BASH_REMATCH[1] * 1000000 + BASH_REMATCH[2] * 1000 + BASH_REMATCH[3] >= 1000006)) ||
    die "podman-compose ${BASH_REMATCH[1]}.${BASH_REMATCH[2]}.${BASH_REMATCH[3]} does not understand compose.yaml:" \
      "use 1.0.6 or newer (apt-get remove podman-compose, then pipx install --global podman-compose)"
}

firewall() {
  heading "Firewall, before anything listens"
  if [[ $dry_run ]]; then "$HERE/firewall.sh" --dry-run; else "$HERE/firewall.sh"; fi
}

code() {
  heading "PowerView, from root's clone"
  run chmod -R go+rX "$SOURCE" # root's umask may be 027
  # git reads a folder of somebody else only if it is allowed to: sftpgo this one, and nobody sftpgo's.
  local place
  for place in "$SOURCE" "$SOURCE/.git"; do
    run git config --system --replace-all safe.directory "$place" "^$place\$"
  done
  if already git config --system --get-all safe.directory "^$PROJECT\$" >/dev/null; then
    run git config --system --unset-all safe.directory "^$PROJECT\$"
  fi
  if ! already test -e "$PROJECT/.git"; then as_sftpgo git init --quiet "$PROJECT"; fi
  if ! already same_commit; then
    as_sftpgo git -C "$PROJECT" fetch --quiet "$SOURCE" HEAD
    # What an admin has changed there stays, or this stops with git's sentence; other branches stay too.
    as_sftpgo git -C "$PROJECT" checkout --quiet -B installed FETCH_HEAD
  fi
  # Grafana's container reads these as a user of its own; a clone made under umask 027 is closed to it.
  as_sftpgo chmod -R go+rX "$PROJECT/grafana-automation/provisioning" "$PROJECT/grafana-automation/dashboards"
}

same_commit() {
  [[ $(runuser -u sftpgo -- git -C "$PROJECT" rev-parse --verify --quiet HEAD) == "$(git -C "$SOURCE" rev-parse HEAD)" ]]
}

python_packages() {
  heading "PowerView's Python"
  # --clear: what is there without a pip that runs is an interrupted beginning, or of a Python that is gone.
  if ! already runuser -u sftpgo -- "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    as_sftpgo "$python" -m venv --clear "$VENV"
  fi
  as_sftpgo "$VENV/bin/python" -m pip install --quiet --no-cache-dir --require-hashes --requirement "$PROJECT/requirements.lock"
  as_sftpgo "$VENV/bin/python" "$PROJECT/deploy/ansible_locale.py"
}

sftpgo_package() {
  heading "SFTPGo, which brings the user sftpgo"
  setup_code
  if ! already command -v sftpgo >/dev/null; then
    run apt-get install -y software-properties-common
    run add-apt-repository -y ppa:sftpgo/sftpgo
    run apt-get install -y sftpgo
  fi
  run chown sftpgo:sftpgo "$SETUP_CODE"
}

# SFTPGo's first admin is made on its web page by whoever comes first: so only by whoever knows this code.
setup_code() {
  if already test -e "$SETUP_CODE"; then return; fi
  make_folder "${SETUP_CODE%/*}"
  printf '%s\n' "echo SFTPGO_HTTPD__SETUP__INSTALLATION_CODE=(a secret) >$SETUP_CODE && chmod 600 $SETUP_CODE"
  if [[ $dry_run ]]; then return; fi
  fill "$SETUP_CODE" 600 root:root <<<"SFTPGO_HTTPD__SETUP__INSTALLATION_CODE=$(secret)"
}

folders() {
  heading "Folders: sftpgo owns them, $admin may write"
  run install -d -m 770 -o sftpgo -g sftpgo "$UPLOADS" "$UPLOADS/data" "$UPLOADS/logs" "$UPLOADS/state"
  if ! already test -d "$PROJECT"; then run install -d -m 775 -o sftpgo -g sftpgo "$PROJECT"; fi
  # -execdir and -h: a name in the tree of uploads was chosen by a stranger.
  run find "$UPLOADS" "$PROJECT" -path "$PROJECT/.env" -prune -o '(' '!' -user sftpgo -o '!' -group sftpgo ')' \
    -execdir chown -h sftpgo:sftpgo '{}' +
  # For what is there (u:) and for what will be (d:u:), whoever makes it. The mask keeps
  # files from being executable; git's own, which are read-only, stay so.
  local both=u:$admin:rwx,u:sftpgo:rwx
  as_sftpgo find "$UPLOADS" "$PROJECT" '(' -path "$PROJECT/.env" -o -path "$PROJECT/secrets" ')' -prune \
    -o -type d -exec setfacl -m "$both,d:${both//,/,d:}" '{}' + \
    -o -type f -perm -u=x -exec setfacl -m "$both,m::rwx" '{}' + \
    -o -type f -perm -u=w -exec setfacl -m "$both,m::rw" '{}' +
}

settings() {
  heading "Settings: .env with its secrets, for sftpgo and $admin alone"
  printf '%s\n' "# .env.sample to $PROJECT/.env, what is there kept; made where missing: ${SECRETS[*]}"
  if [[ ! $dry_run ]]; then fill_env; fi
  as_sftpgo setfacl -b "$PROJECT/.env"
  as_sftpgo chmod 640 "$PROJECT/.env"
  run chown -h "sftpgo:$admin_group" "$PROJECT/.env"
  as_sftpgo "$VENV/bin/python" "$PROJECT/deploy/write_secrets.py"
}

# .env as it is, with the lines that only .env.sample has, domain and address as asked for, and a value for each secret
# that has none. No secret is ever an argument of a command, and root neither reads nor writes the file itself: sftpgo
# could have put a link there.
fill_env() {
  local env=$PROJECT/.env old='' new name
  local -A asked=([POWERVIEW_DOMAIN]=$domain [POWERVIEW_ACME_EMAIL]=$email) made=()
  for name in "${SECRETS[@]}"; do made[$name]=$(secret); done
  if [[ -e $env ]]; then
    chown -h sftpgo "$env"
    old=$(runuser -u sftpgo -- cat "$env" && printf x)
    old=${old%x} # $() takes newlines away, not those before an x
    new=$(fill_lines <<<"${old%$'\n'}" && missing_lines | fill_lines && printf x)
  else
    new=$(fill_lines <"$SOURCE/.env.sample" && printf x)
  fi
  new=${new%x}
  if [[ $new == "$old" ]]; then return; fi
  # shellcheck disable=SC2016 # sftpgo's shell fills in $1
  printf '%s' "$new" | runuser -u sftpgo -- sh -c 'umask 077 && cat >"$1.new" && mv -f -- "$1.new" "$1"' sh "$env"
}

# usage: fill_lines <FILE; its lines, with the values of `asked`, and those of `made` where there is none. A line that
# has its value stays as it is, with its quotes and its comment.
fill_lines() {
  local line start name value
  while IFS= read -r line || [[ $line ]]; do
    if [[ $line =~ $ENTRY ]]; then
      start=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]} value=$(plain "${BASH_REMATCH[3]}")
      if [[ ${asked[$name]-} && ${asked[$name]} != "$value" ]]; then
        line=$start$name=${asked[$name]}
      elif [[ ! $value && ${made[$name]-} ]]; then
        line=$start$name=${made[$name]}
      fi
    fi
    printf '%s\n' "$line"
  done
}

missing_lines() {
  local line
  local -A there=()
  while IFS= read -r line; do
    if [[ $line =~ $ENTRY ]]; then there[${BASH_REMATCH[2]}]=yes; fi
  done <<<"$old"
  while IFS= read -r line; do
    if [[ $line =~ $ENTRY && ! ${there[${BASH_REMATCH[2]}]-} ]]; then printf '%s\n' "$line"; fi
  done <"$SOURCE/.env.sample"
}

containers() {
  heading "InfluxDB and Grafana, run by $admin, also after a reboot"
  run loginctl enable-linger "$admin"
  run systemctl start "user@$admin_uid.service"
  as_admin systemctl --user enable --now podman.socket podman-restart.service
  as_admin podman-compose up -d
  local address
  for address in http://127.0.0.1:8086/health http://127.0.0.1:8088/api/health; do
    run curl -fsS --noproxy '*' --retry 120 --retry-delay 2 --retry-all-errors -o /dev/null "$address"
  done
}

sftpgo_settings() {
  heading "SFTPGo calls PowerView"
  local place=/etc/sftpgo/sftpgo.env ours=$SOURCE/deploy/sftpgo.env merged
  changed=''
  if already test -e "$place"; then
    merged=$(with_our_block "$place")
    if ! cmp --silent "$place" - <<<"$merged"; then
      # Not by `write`, which prints it all: the admin's own lines may be secret.
      printf '%s\n' "# into $place, where every other line stays:" "$(<"$ours")"
      fill "$place" 640 root:sftpgo <<<"$merged"
      changed=yes
    fi
  else
    put "$ours" "$place" 640 root:sftpgo
  fi
  if [[ $changed ]] || ! already up_to_date sftpgo "$place"; then run systemctl restart sftpgo; fi
}

# usage: with_our_block FILE; its lines, with our block in the place of the last one there, else at the end.
# Of two lines about one setting SFTPGo takes the last. So ours wins over what was there before PowerView, and what an
# admin wrote below our block wins over ours, as it does now: he saw what he changed, and `check` tells if it hurts.
# A block without its last line is of an earlier installation: of its lines only those go that are ours.
with_our_block() {
  local ours=$SOURCE/deploy/sftpgo.env i begin=-1 inside='' last line
  local -a block lines ends=()
  local -A known=()
  mapfile -t block <"$ours"
  mapfile -t lines <"$1"
  last=${block[-2]} # where a block without its end mark ends
  for line in "${block[@]}"; do known[=$line]=yes; done
  for i in "${!lines[@]}"; do
    case ${lines[i]} in
      '# PowerView: SFTPGo'*) begin=$i ;;
      '# PowerView: end'*)    if ((begin >= 0)); then : "${ends[begin]:=$i}"; fi ;;
    esac
  done
  for ((i = 0; i < ${#lines[@]}; i++)); do
    line=${lines[i]}
    if ((i == begin)); then cat "$ours"; fi
    if [[ $line == '# PowerView: SFTPGo'* ]]; then
      inside=yes
      if [[ ${ends[i]-} ]]; then i=${ends[i]} inside=''; fi
    elif [[ $inside && ${known[=$line]-} ]]; then
      if [[ $line == "$last" ]]; then inside=''; fi
    else
      printf '%s\n' "$line"
    fi
  done
  if ((begin < 0)); then cat "$ours"; fi
}

public_names() {
  if [[ ! $caddy ]]; then
    heading "Caddy is left alone (--domain and --email bring the public names)"
    return
  fi
  heading "Caddy: the public names of $domain"
  if ! already command -v caddy >/dev/null; then caddy_package; fi
  changed=''
  write "$CADDY_DROP_IN" 644 <<END
[Service]
Environment=POWERVIEW_DOMAIN=$domain POWERVIEW_ACME_EMAIL=$email
END
  put "$SOURCE/deploy/Caddyfile" "$CADDYFILE" 644
  if [[ $changed ]] || ! already up_to_date caddy "$CADDY_DROP_IN" "$CADDYFILE"; then
    run systemctl daemon-reload
    run systemctl restart caddy
  fi
  put "$SOURCE/deploy/Caddyfile" "$CADDYFILE_KEPT" 644
}

caddy_package() {
  run curl -1fsSL -o "$CADDY_KEYRING.asc" "$CADDY_SOURCE/gpg.key"
  run gpg --dearmor --yes -o "$CADDY_KEYRING" "$CADDY_KEYRING.asc"
  run curl -1fsSL -o "$CADDY_LIST" "$CADDY_SOURCE/debian.deb.txt"
  run chmod o+r "$CADDY_KEYRING" "$CADDY_LIST"
  run apt-get update
  run apt-get install -y caddy
}

sweep() {
  heading "The sweep, every five minutes, and the logs' rotation"
  changed=''
  put "$SOURCE/deploy/powerview-sweep.service" "$SWEEP" 644
  put "$SOURCE/deploy/powerview-sweep.timer" /etc/systemd/system/powerview-sweep.timer 644
  if [[ $changed ]]; then run systemctl daemon-reload; fi
  run systemctl enable --now powerview-sweep.timer
  put "$SOURCE/deploy/powerview.logrotate" /etc/logrotate.d/powerview 644
  run systemctl start powerview-sweep.service || heading "The first sweep failed: journalctl -u powerview-sweep.service"
}

check() {
  heading "Is everything in place?"
  run runuser -u sftpgo -- env -C "$PROJECT" "$VENV/bin/python" -m powerview check
}

what_next() {
  heading "What is left for a person"
  cat <<END
Grafana: log in as the admin; the password is GRAFANA_PASSWORD in $PROJECT/.env.
SFTPGo:  make its admin on its web page (its installation code is in $SETUP_CODE), then a user for
         each client, with the home folder $UPLOADS/data/<client>.
END
}

main() {
  options "$@"
  if [[ $uninstall ]]; then
    if [[ ! $dry_run ]]; then run_from_source "$@"; fi
    # shellcheck source=deploy/uninstall.sh
    source "$HERE/uninstall.sh"
    uninstall
    return
  fi
  check_options
  find_admin
  umask 022
  export DEBIAN_FRONTEND=noninteractive
  if [[ ! $dry_run ]]; then
    run_from_source "$@"
    check_server
  fi
  packages
  firewall
  sftpgo_package
  folders
  code
  python_packages
  settings
  containers
  sftpgo_settings
  public_names
  sweep
  what_next
  check
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then main "$@"; fi
