#!/bin/bash
# Installs PowerView on an Ubuntu server, or brings an installation to the state of this clone. A second run changes
# nothing that is right already. It touches what is named below, and nothing else:
#   /srv/powerview, /srv/sftpgo     PowerView with its .env and its Python; uploads, logs, state
#   /etc                            sftpgo/sftpgo.env, sftpgo/env.d/setup.env, caddy/Caddyfile and its copy
#                                   caddy/Caddyfile.powerview, logrotate.d/powerview, gitconfig, and in systemd/system
#                                   powerview-sweep.* and caddy.service.d/powerview.conf
#   packages                        those of `packages`, Caddy and SFTPGo with their package sources
#   the firewall, and the admin's containers: two services and two volumes, started again after a reboot
set -euo pipefail

readonly PROJECT=/srv/powerview UPLOADS=/srv/sftpgo
readonly VENV=$PROJECT/envs/powerview
readonly SECRETS=(INFLUXDB_ADMIN_TOKEN INFLUXDB_PASSWORD GRAFANA_PASSWORD) # made where .env has none
# A line of .env. Groups: 1 the word export, 2 the name, 3 what stands behind the `=`.
readonly ENTRY="^[[:space:]]*(export[[:space:]]+)?'?([A-Z_]+)'?[[:space:]]*=(.*)\$"
readonly SETUP_CODE=/etc/sftpgo/env.d/setup.env
readonly CADDYFILE=/etc/caddy/Caddyfile CADDYFILE_KEPT=/etc/caddy/Caddyfile.powerview # the second tells what we put
readonly SWEEP=/etc/systemd/system/powerview-sweep.service
readonly CADDY_DROP_IN=/etc/systemd/system/caddy.service.d/powerview.conf
readonly CADDY_SOURCE=https://dl.cloudsmith.io/public/caddy/stable
readonly CADDY_KEYRING=/usr/share/keyrings/caddy-stable-archive-keyring.gpg
readonly CADDY_LIST=/etc/apt/sources.list.d/caddy-stable.list
HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
readonly HERE

usage() {
  cat <<'END'
usage: sudo deploy/install.sh --domain adecwatts.fr --email contact@adecwatts.fr [--admin USER] [--dry-run]
  --domain DOMAIN  the public names are powerview.DOMAIN, db.powerview.DOMAIN and ftp.powerview.DOMAIN
  --email ADDRESS  whom the certificates are issued to
  --admin USER     the person who runs the containers and may write to /srv (default: the admin of the first run; in
                   the first run who called sudo, else ubuntu)
  --no-caddy       leave Caddy alone: no public names, or its Caddyfile has other sites and is merged by hand
  --dry-run        print every command that a fresh server needs, and do nothing
A second run needs no options: it finds domain and address in /srv/powerview/.env, keeps the admin, and leaves Caddy
alone if the first one did (until it is given --domain).
END
}

# ── running and saying ───────────────────────────────────────────────────────────────────────────────────────────────

die() {
  printf 'install.sh: %s\n' "$@" >&2
  exit 1
}

say() {
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

# usage: put FILE PLACE MODE [OWNER:GROUP]; copy FILE there if PLACE differs; changed=yes tells that it did.
put() {
  local file=$1 place=$2 mode=$3 owner=${4:-root:root}
  if already cmp --silent "$file" "$place"; then return; fi
  run install -D -m "$mode" -o "${owner%:*}" -g "${owner#*:}" "$file" "$place"
  changed=yes
}

# usage: write PLACE MODE [OWNER:GROUP] <<<TEXT; as put, for a text that is made here.
write() {
  local place=$1 mode=$2 owner=${3:-root:root} text
  text=$(cat)
  if already cmp --silent "$place" - <<<"$text"; then return; fi
  printf "install -D -m %s -o %s -g %s /dev/stdin %s <<'END'\n%s\nEND\n" \
    "$mode" "${owner%:*}" "${owner#*:}" "$place" "$text"
  if [[ ! $dry_run ]]; then install -D -m "$mode" -o "${owner%:*}" -g "${owner#*:}" /dev/stdin "$place" <<<"$text"; fi
  changed=yes
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

# usage: secret; 64 random characters that no file format has to quote.
secret() {
  od -vAn -N32 -tx1 /dev/urandom | tr -d ' \n'
}

# ── what is asked for, and where ─────────────────────────────────────────────────────────────────────────────────────

options() {
  domain='' email='' admin='' dry_run='' caddy=yes changed=''
  while (($#)); do
    case $1 in
      --domain | --email | --admin)
        (($# > 1)) || die "$1 needs a value" "$(usage)"
        printf -v "${1#--}" %s "$2"
        shift
        ;;
      --no-caddy) caddy='' ;;
      --dry-run)  dry_run=yes ;;
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
  if [[ ! -r $PROJECT/.env ]]; then return; fi
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
  [[ $admin =~ ^[a-z_][a-z0-9_-]*$ && $admin != root ]] || die "--admin must be the login of a person, not '$admin'"
  [[ $admin == "${admin_before:-$admin}" ]] ||
    die "--admin $admin: the containers and $PROJECT/.env are $admin_before's: leave out --admin" \
      "(a move to $admin is made by hand: README, Backup and restore, then chgrp $admin $PROJECT/.env)"
}

find_admin() {
  admin_uid=$(id -u "$admin" 2>/dev/null || echo 1000)
  admin_group=$(id -gn "$admin" 2>/dev/null || echo "$admin")
  admin_home=$(getent passwd "$admin" | cut -d: -f6 || :)
  : "${admin_home:=/home/$admin}"
}

# Everything that would stop us half-way is looked at first.
check_server() {
  [[ $HERE == "$PROJECT/deploy" ]] ||
    die "PowerView belongs in $PROJECT: git clone it there, and run $PROJECT/deploy/install.sh"
  ((EUID == 0)) || die "must run as root: sudo $0 …  (--dry-run needs nobody)"
  command -v apt-get >/dev/null ||
    die "this is for Ubuntu (or a Debian that has SFTPGo); elsewhere follow the README by hand"
  grep -qi '^ID=ubuntu' /etc/os-release || command -v sftpgo >/dev/null ||
    die "the package source of SFTPGo is Ubuntu's; on this system install SFTPGo first, then run this again"
  id "$admin" >/dev/null 2>&1 || die "there is no user $admin: name yours with --admin"
  grep -q "^$admin:" /etc/subuid || die "$admin has no subordinate ids, and containers need them:" \
    "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $admin"
  check_folders
  if [[ $caddy && -e $CADDYFILE ]]; then
    nobodys_caddyfile ||
      die "$CADDYFILE has sites of its own, or was changed by hand:" \
        "add the sites of deploy/Caddyfile to it by hand, and use --no-caddy" \
        "($CADDYFILE_KEPT, if it is there, is what this script put there last)"
  fi
}

# The sweep may write below /srv/sftpgo only, and logrotate knows one folder of logs: with others both fail unseen.
# Links count as what they lead to, for the sweep's unit sees them so.
check_folders() {
  local name folder uploads
  local -A usual=([DATA]=$UPLOADS/data [STATE]=$UPLOADS/state [LOG]=$UPLOADS/logs)
  uploads=$(realpath -m "$UPLOADS")
  for name in DATA STATE LOG; do
    folder=$(setting "POWERVIEW_${name}_DIR")
    folder=$(cd "$PROJECT" && realpath -m -- "${folder:-${usual[$name]}}")
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
  for ours in "$PROJECT/deploy/Caddyfile" "$CADDYFILE_KEPT"; do
    if cmp --silent "$ours" "$CADDYFILE"; then return; fi
  done
  sum=$(md5sum <"$CADDYFILE") # dpkg's own kind of checksum
  packaged=$(dpkg-query --show --showformat='${Conffiles}\n' caddy 2>/dev/null) || return
  [[ $packaged == *" $CADDYFILE ${sum%% *}"* ]]
}

# ── the steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

packages() {
  say "Packages"
  run apt-get update
  python=python3
  if apt-cache show python3.13-venv >/dev/null 2>&1; then python=python3.13; fi
  run apt-get install -y "$python-venv" git rename acl podman podman-compose ufw logrotate curl gnupg
  if [[ ! $dry_run ]] && ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    die "PowerView needs Python 3.11 or newer, and $python is older: use a newer Ubuntu"
  fi
}

firewall() {
  say "Firewall, before anything listens"
  if [[ $dry_run ]]; then "$HERE/firewall.sh" --dry-run; else "$HERE/firewall.sh"; fi
}

project() {
  say "PowerView and its Python"
  # git works in a folder of somebody else only if it is told to.
  run git config --system --replace-all safe.directory "$PROJECT" "^$PROJECT\$"
  # --clear: what is there without a pip that runs is an interrupted beginning, or of a Python that is gone.
  if ! already "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then run "$python" -m venv --clear "$VENV"; fi
  run "$VENV/bin/python" -m pip install --quiet --requirement "$PROJECT/requirements.txt"
}

sftpgo_package() {
  say "SFTPGo, which brings the user sftpgo"
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
  printf '%s\n' "install -D -m 600 /dev/stdin $SETUP_CODE <<<SFTPGO_HTTPD__SETUP__INSTALLATION_CODE=(a secret)"
  if [[ $dry_run ]]; then return; fi
  install -D -m 600 /dev/stdin "$SETUP_CODE" <<<"SFTPGO_HTTPD__SETUP__INSTALLATION_CODE=$(secret)"
}

folders() {
  say "Folders: sftpgo owns them, $admin may write"
  run install -d -m 770 -o sftpgo -g sftpgo "$UPLOADS" "$UPLOADS/data" "$UPLOADS/logs" "$UPLOADS/state"
  # -execdir and -h: a name in the tree of uploads was chosen by a stranger.
  run find "$UPLOADS" "$PROJECT" -path "$PROJECT/.env" -prune -o '(' '!' -user sftpgo -o '!' -group sftpgo ')' \
    -execdir chown -h sftpgo:sftpgo '{}' +
  # For what is there (u:) and for what will be (d:u:), whoever makes it.
  run setfacl -R -P -m "u:$admin:rwX,u:sftpgo:rwX,d:u:$admin:rwX,d:u:sftpgo:rwX" "$UPLOADS" "$PROJECT"
}

settings() {
  say "Settings: .env with its secrets, for sftpgo and $admin alone"
  printf '%s\n' "# .env.sample to $PROJECT/.env, what is there kept; made where missing: ${SECRETS[*]}"
  if [[ ! $dry_run ]]; then fill_env; fi
  run setfacl -b "$PROJECT/.env"
  run chown "sftpgo:$admin_group" "$PROJECT/.env"
  run chmod 640 "$PROJECT/.env"
}

# .env as it is, with the lines that only .env.sample has, domain and address as asked for, and a value for each secret
# that has none. No secret is ever an argument of a command.
fill_env() {
  local env=$PROJECT/.env sample=$PROJECT/.env.sample new name
  local -A asked=([POWERVIEW_DOMAIN]=$domain [POWERVIEW_ACME_EMAIL]=$email) made=()
  for name in "${SECRETS[@]}"; do made[$name]=$(secret); done
  new=$(umask 077 && mktemp "$env.XXXXXX")
  if [[ -f $env ]]; then
    fill_lines <"$env" >"$new"
    missing_lines | fill_lines >>"$new"
  else
    fill_lines <"$sample" >"$new"
  fi
  if cmp --silent "$new" "$env"; then rm -- "$new"; else mv -- "$new" "$env"; fi
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
  while IFS= read -r line || [[ $line ]]; do
    if [[ $line =~ $ENTRY ]]; then there[${BASH_REMATCH[2]}]=yes; fi
  done <"$env"
  while IFS= read -r line; do
    if [[ $line =~ $ENTRY && ! ${there[${BASH_REMATCH[2]}]-} ]]; then printf '%s\n' "$line"; fi
  done <"$sample"
}

containers() {
  say "InfluxDB and Grafana, run by $admin, also after a reboot"
  run loginctl enable-linger "$admin"
  run systemctl start "user@$admin_uid.service"
  as_admin systemctl --user enable --now podman.socket podman-restart.service
  as_admin podman-compose up -d
  local address
  for address in http://127.0.0.1:8086/health http://127.0.0.1:8088/api/health; do
    run curl -fsS --retry 120 --retry-delay 2 --retry-all-errors -o /dev/null "$address"
  done
}

sftpgo_settings() {
  say "SFTPGo calls PowerView"
  local place=/etc/sftpgo/sftpgo.env ours=$PROJECT/deploy/sftpgo.env merged
  changed=''
  if already test -e "$place"; then
    merged=$(with_our_block "$place")
    if ! cmp --silent "$place" - <<<"$merged"; then
      # Not by `write`, which prints it all: the admin's own lines may be secret.
      printf '%s\n' "# into $place, where every other line stays:" "$(<"$ours")"
      install -m 640 -o root -g sftpgo /dev/stdin "$place" <<<"$merged"
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
  local ours=$PROJECT/deploy/sftpgo.env i begin=-1 inside='' last line
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
    say "Caddy is left alone (--domain and --email bring the public names)"
    return
  fi
  say "Caddy: the public names of $domain"
  if ! already command -v caddy >/dev/null; then caddy_package; fi
  changed=''
  write "$CADDY_DROP_IN" 644 <<END
[Service]
Environment=POWERVIEW_DOMAIN=$domain POWERVIEW_ACME_EMAIL=$email
END
  put "$PROJECT/deploy/Caddyfile" "$CADDYFILE" 644
  if [[ $changed ]] || ! already up_to_date caddy "$CADDY_DROP_IN" "$CADDYFILE"; then
    run systemctl daemon-reload
    run systemctl restart caddy
  fi
  put "$PROJECT/deploy/Caddyfile" "$CADDYFILE_KEPT" 644
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
  say "The sweep, every five minutes, and the logs' rotation"
  changed=''
  put "$PROJECT/deploy/powerview-sweep.service" "$SWEEP" 644
  put "$PROJECT/deploy/powerview-sweep.timer" /etc/systemd/system/powerview-sweep.timer 644
  if [[ $changed ]]; then run systemctl daemon-reload; fi
  run systemctl enable --now powerview-sweep.timer
  put "$PROJECT/deploy/powerview.logrotate" /etc/logrotate.d/powerview 644
  run systemctl start powerview-sweep.service || say "The first sweep failed: journalctl -u powerview-sweep.service"
}

check() {
  say "Is everything in place?"
  run runuser -u sftpgo -- env -C "$PROJECT" "$VENV/bin/python" -m powerview check
}

what_next() {
  say "What is left for a person"
  cat <<END
Grafana: log in as the admin; the password is GRAFANA_PASSWORD in $PROJECT/.env.
SFTPGo:  make its admin on its web page (its installation code is in $SETUP_CODE), then a user for
         each client, with the home folder $UPLOADS/data/<client>.
END
}

main() {
  options "$@"
  check_options
  find_admin
  umask 022
  export DEBIAN_FRONTEND=noninteractive
  if [[ ! $dry_run ]]; then check_server; fi
  packages
  firewall
  project
  sftpgo_package
  folders
  settings
  containers
  sftpgo_settings
  public_names
  sweep
  what_next
  check
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then main "$@"; fi
