#!/bin/bash
# SFTPGo's hook: which event wakes which lane. It returns at once; a detached worker does what the disk shows undone.
#
#   SFTPGO_ACTION                                    lane
#   upload, or none (a disconnect)                   ingest: tsv_parser.py
#   mkdir                                            provision: create_grafana_resources.yml
#   rename (so does Explorer name a new folder)      both
#   anything else                                    one line in hook.log
#
# `on-upload.sh sweep`, for the timer and for people, does both lanes in the foreground and ends with the worse status.
# Its settings, POWERVIEW_STATE_DIR and POWERVIEW_LOG_DIR, come from the environment or from `.env` beside this file.
# A lane's lock is descriptor 9 all along, from the hook that takes it to the worker that lets it go.
set -euo pipefail

readonly PLAYBOOK=grafana-automation/playbooks/create_grafana_resources.yml
readonly NAME='[A-Za-z0-9][A-Za-z0-9_.-]{0,63}' # of a client, a campaign, a device
readonly EX_USAGE=2 EX_NOPERM=77 EX_CONFIG=78   # the last two as in sysexits.h

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────

# A line of `.env` about one of the two settings. Groups: 2 and 5 the quotes around its name, 3 the name, 7 the blanks
# behind the `=`, 8 the rest.
readonly S='[[:space:]]*'
readonly ENTRY="^$S(export[[:space:]]+)?('?)(POWERVIEW_(STATE|LOG)_DIR)('?)$S(=($S)(.*)|#.*)?\$"
readonly SINGLE_QUOTED="^'(([^'\\]|\\\\.)*)'$S(#.*)?\$"
readonly DOUBLE_QUOTED="^\"(([^\"\\]|\\\\.)*)\"$S(#.*)?\$"

# The folders as powerview/settings.py finds them: the environment wins over `.env`, an empty value is none. They are
# exported, so that a lane's program uses the very folders that the hook uses.
read_settings() {
  local -A env_file=()
  read_env_file "$HERE/.env"
  folder "${POWERVIEW_STATE_DIR-${env_file[POWERVIEW_STATE_DIR]-}}" /srv/sftpgo/state
  export POWERVIEW_STATE_DIR=$REPLY
  folder "${POWERVIEW_LOG_DIR-${env_file[POWERVIEW_LOG_DIR]-}}" /srv/sftpgo/logs
  export POWERVIEW_LOG_DIR=$REPLY
}

# usage: folder VALUE DEFAULT; the absolute path in REPLY. Without a leading slash it lies beside this file.
folder() {
  local home=~ # without HOME the one of the password file, as Python has it
  REPLY=${1:-$2}
  if [[ $REPLY =~ ^'~'(/|$) ]]; then REPLY=$home${REPLY:1}; fi
  if [[ $REPLY != /* ]]; then REPLY=$HERE/$REPLY; fi
}

# usage: read_env_file FILE; fills env_file as python-dotenv reads the file; nothing of it is run.
# Left out: a quoted value of several lines (its lines are read as if they stood alone), blanks that are not ASCII's,
# whatever stands behind a NUL.
read_env_file() {
  local file=$1 text='' line
  local - IFS=$'\r\n'
  set -f # the loop splits, it must not glob
  [[ -f $file && -r $file ]] || return 0
  IFS= read -r -d '' text <"$file" || : # there is no NUL to end at: read says 1 at the end of the file
  for line in ${text#$'\xef\xbb\xbf'}; do
    [[ $line == *POWERVIEW_* && $line =~ $ENTRY && ${BASH_REMATCH[2]} == "${BASH_REMATCH[5]}" ]] || continue
    set -- "${BASH_REMATCH[3]}" "${BASH_REMATCH[7]}" "${BASH_REMATCH[8]}"
    if env_value "$2" "$3"; then env_file[$1]=$REPLY; fi
  done
}

# usage: env_value BLANKS REST; the value in REPLY, status 1 if a quote does not end. BLANKS stood between `=` and REST.
env_value() {
  local blanks=$1 rest=$2
  case $rest in
    \'*) [[ $rest =~ $SINGLE_QUOTED ]] && unescape "${BASH_REMATCH[1]}" "\\'" ;;
    \"*) [[ $rest =~ $DOUBLE_QUOTED ]] && unescape "${BASH_REMATCH[1]}" "\\'\"abfnrtv" ;;
    *)
      if [[ -n $blanks && $rest == \#* ]]; then rest=''; fi
      rest=${rest%%[[:space:]]#*}
      REPLY=${rest%"${rest##*[![:space:]]}"} # without the blanks at its end
      ;;
  esac
}

# usage: unescape TEXT ESCAPABLE; TEXT in REPLY, a backslash before one of ESCAPABLE resolved, any other kept.
unescape() {
  local text=$1 escapable=$2 char
  REPLY=''
  while [[ $text =~ ^([^\\]*)\\(.)(.*)$ ]]; do
    REPLY+=${BASH_REMATCH[1]} char=${BASH_REMATCH[2]} text=${BASH_REMATCH[3]}
    if [[ $escapable != *"$char"* ]]; then
      char=\\$char
    elif [[ $char == [a-z] ]]; then
      printf -v char %b "\\$char"
    fi
    REPLY+=$char
  done
  REPLY+=$text
}

# ── saying ───────────────────────────────────────────────────────────────────────────────────────────────────────────

# usage: say LOG TEXT; one line with its time in LOG, and on standard error, which only a sweep has.
# A log that cannot be written stops nothing.
say() {
  local log=$POWERVIEW_LOG_DIR/$1 text=${2//[^[:print:]]/?} time
  printf -v time '%(%Y-%m-%d %H:%M:%S%z)T' -1
  text="${time:0:-2}:${time: -2} ${text:0:2000}"
  printf '%s\n' "$text" >&2
  [[ -d $POWERVIEW_LOG_DIR ]] || mkdir -p -- "$POWERVIEW_LOG_DIR" || :
  printf '%s\n' "$text" >>"$log" || :
}

# usage: quoted TEXT; text from outside, in REPLY, so that it cannot end a line or pass for ours.
quoted() {
  printf -v REPLY %q "${1:0:200}"
}

# usage: PROGRAM | repeat LOG PREFIX
repeat() {
  local line
  while IFS= read -r line || [[ $line ]]; do say "$1" "$2$line"; done
}

# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────

# An event's content decides nothing but the lane. Status 0 whatever happens: SFTPGo deletes an upload whose hook fails,
# if an admin lists `upload` under execute_sync.
event() {
  case ${SFTPGO_ACTION:-${SFTPGO_CONNECTION_USERNAME:+disconnect}} in
    upload)     wake ingest ;;
    disconnect) wake ingest ;;
    mkdir)      on_mkdir ;;
    rename)     wake ingest; wake provision ;;
    '')         usage ;;
    *)          on_other ;;
  esac
}

# The playbook refuses such a name as well; here the line comes at once.
on_mkdir() {
  local path=${SFTPGO_ACTION_VIRTUAL_PATH-}
  if [[ ! $path =~ ^(/$NAME)*/?$ ]]; then
    quoted "$path"
    say provisioning.log "refused: folder $REPLY: a name is a letter or digit, then at most 63 letters, digits, _ . -"
  fi
  wake provision
}

on_other() {
  local path
  quoted "${SFTPGO_ACTION_VIRTUAL_PATH-}" && path=$REPLY
  quoted "$SFTPGO_ACTION"
  say hook.log "ignoring SFTPGO_ACTION=$REPLY of $path: upload, rename, mkdir and disconnects are known"
}

# usage: wake LANE; mark that there is something to do, and start a worker if none is at work.
# The mark first, then the try: a worker that still has the lock looks at the mark after letting go of it.
wake() {
  local lane=$1 marker=$POWERVIEW_STATE_DIR/$1.marker lock
  find_lock "$lane" || return 0
  lock=$REPLY
  # A full disk may refuse the marker; the work can be done all the same.
  [[ -e $marker ]] || : >>"$marker" || say hook.log "$lane: $marker cannot be made; the sweep does what is left undone"
  {
    flock -n 9 || return 0
    setsid -- "$BASH" "$HERE/on-upload.sh" work "$lane" </dev/null >/dev/null 2>&1 &
  } 9<"$lock"
}

# ── lanes ────────────────────────────────────────────────────────────────────────────────────────────────────────────

# usage: find_lock LANE; its file in REPLY, status 1 if there is none to be had. It is made once and never removed:
# else two workers could lock two files of one name. Reading is enough for a lock, so another user's file does as well.
find_lock() {
  local lane=$1
  REPLY=$POWERVIEW_STATE_DIR/$lane.lock
  [[ -r $REPLY ]] && return
  mkdir -p -- "$POWERVIEW_STATE_DIR" && : >>"$REPLY" && return
  say hook.log "$lane: $REPLY cannot be made: POWERVIEW_STATE_DIR must be a folder of this user, with room on its disk"
  return 1
}

# usage: drain LANE; with its lock held do what there is to do, let go, and begin again if an event came meanwhile.
drain() {
  local lane=$1 marker=$POWERVIEW_STATE_DIR/$1.marker worst=0 status once
  while :; do
    status=0 once=''
    rm -f -- "$marker" || once=yes # or it would be found again for ever
    # Only this process has the lock: an orphan, shell or program, must not keep the lane.
    (exec 9<&- && "$lane") || status=$?
    worst=$((status > worst ? status : worst))
    flock -u 9
    if [[ $once || ! -e $marker ]] || ! flock -n 9; then return "$worst"; fi
  done
}

# The parser writes the fate of each file into uploads.log itself; what it says on standard error is for a person.
ingest() {
  local python status=0
  in_venv python && python=$REPLY || python=python3
  { "$python" "$HERE/tsv_parser.py" </dev/null 2>&1 >&3 3>&- | repeat hook.log 'ingest: '; } 3>&1 || status=$?
  case $status in
    0 | 1 | 75 | 78) ;; # the parser has said why
    *) say hook.log "ingest: tsv_parser.py ended with status $status; what it had not settled is still pending" ;;
  esac
  return "$status"
}

# What ansible-playbook prints (with result format json): `    "msg": "powerview: …"`, also as an item of a list; when a
# task fails `[ERROR]: …` and then `fatal: [localhost]: FAILED! => {…, "msg": "…"}`, or `"censored": "…"` where no_log
# hides it, with `failed:` in a loop. The last of these is the reason.
readonly TOLD='^ *("msg": )?"powerview: (([^"\]|\\.)*)",?$'
readonly COMPLAINT='^(\[ERROR\]: |ERROR! )(.*)$'
readonly FAILED='^(fatal: |failed: ).*"(msg|censored)": "(([^"\]|\\.)*)"'

# The playbook prints `powerview: …` for each campaign that it made or repaired; that is what goes into the log.
provision() {
  local line status=0 reason='it said nothing'
  local memory=$POWERVIEW_STATE_DIR/provision.refused refused='' refused_before=''
  if [[ ! -f $HERE/$PLAYBOOK ]] || ! in_venv ansible-playbook; then
    say provisioning.log "FAILED $EX_CONFIG: $PLAYBOOK or ansible-playbook is not there: no dashboard is made"
    return "$EX_CONFIG"
  fi
  if [[ -r $memory ]]; then IFS= read -r -d '' refused_before <"$memory" || :; fi
  shopt -s lastpipe # the loop is no child: what it finds is known behind it
  "$REPLY" "$HERE/$PLAYBOOK" </dev/null 2>&1 | while IFS= read -r line; do
    if [[ $line =~ $TOLD ]]; then
      plain "${BASH_REMATCH[2]}" && tell "$REPLY"
    elif [[ $line =~ $FAILED ]]; then
      plain "${BASH_REMATCH[3]}" && reason=$REPLY
    elif [[ $line =~ $COMPLAINT ]]; then
      plain "${BASH_REMATCH[2]}" && reason=$REPLY
    fi
  done || status=$?
  [[ $refused == "$refused_before" ]] || printf %s "$refused" >"$memory" || :
  if ((status)); then say provisioning.log "FAILED $status: $reason (ansible-playbook $HERE/$PLAYBOOK shows more)"; fi
  return "$status"
}

# usage: tell TEXT; for provision, a line of its log. A refused name lies there until it is renamed: it is told once.
tell() {
  local text=$1
  if [[ $text == refused* ]]; then
    refused+=$text$'\n'
    if [[ $'\n'$refused_before == *$'\n'"$text"$'\n'* ]]; then return; fi
  fi
  say provisioning.log "$text"
}

# usage: plain JSON; the text of a JSON string, on one line, in REPLY.
plain() {
  unescape "${1#powerview: }" '\"/nrt'
  REPLY=${REPLY//[[:space:]]/ }
}

# usage: in_venv PROGRAM; its path in REPLY, status 1 if neither environment has it.
in_venv() {
  local program=$1 venv
  for venv in envs/powerview .venv; do
    REPLY=$HERE/$venv/bin/$program
    [[ -x $REPLY ]] && return
  done
  return 1
}

# ── main ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

# Both lanes, each after any worker that is at it.
sweep() {
  local lane status worst=0
  only_owner
  for lane in ingest provision; do
    status=0
    find_lock "$lane" || exit "$EX_CONFIG"
    { flock 9 && drain "$lane"; } 9<"$REPLY" || status=$?
    worst=$((status > worst ? status : worst))
  done
  exit "$worst"
}

# What somebody else makes in the tree and among the logs, SFTPGo's user could not write to.
only_owner() {
  local folder=$POWERVIEW_STATE_DIR
  until [[ -e $folder/ ]]; do folder=${folder%/*}; done # it may not be made yet
  [[ -O $folder/ ]] && return
  printf '%s\n' "on-upload.sh: $folder belongs to another user; run it as that user:" \
    "sudo -u $(stat -c %U -- "$folder/") $HERE/on-upload.sh sweep" >&2
  exit "$EX_NOPERM"
}

# What the lanes' programs find around them. SFTPGo gives a hook no PATH, no HOME, no LANG; what it gives is text from
# outside, which ends here.
surroundings() {
  unset "${!SFTPGO_@}"
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 LC_ALL=C.UTF-8
  export HOME=${HOME:-~}
  [[ -d $HOME && -w $HOME ]] || HOME=$POWERVIEW_STATE_DIR
  export ANSIBLE_HOME=$POWERVIEW_STATE_DIR/ansible
  export ANSIBLE_LOCAL_TEMP=$ANSIBLE_HOME/tmp ANSIBLE_REMOTE_TEMP=$ANSIBLE_HOME/tmp
  export ANSIBLE_CALLBACK_RESULT_FORMAT=json ANSIBLE_NOCOLOR=1
}

usage() {
  printf '%s\n' 'usage: on-upload.sh sweep' \
    'SFTPGo runs it without arguments, with SFTPGO_ACTION in its environment.' >&2
  exit "$EX_USAGE"
}

# This file's own folder in HERE, and the lanes' working directory: settings that name a relative folder mean one there.
find_home() {
  local script=${BASH_SOURCE[0]}
  if [[ -L $script ]]; then script=$(readlink -f -- "$script"); fi
  if [[ $script == */* ]]; then cd -- "${script%/*}/"; fi
  HERE=$PWD
}

main() {
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  LC_ALL=C # names are bytes
  umask 0007
  find_home
  read_settings
  case $* in
    '')       event || : ;;
    sweep)    surroundings && sweep ;;
    'work '*) surroundings && drain "$2" ;; # wake has its lock
    *)        usage ;;
  esac
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then main "$@"; fi
