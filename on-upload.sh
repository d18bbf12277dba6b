#!/bin/bash
# SFTPGo's hook: which event wakes which lane. It returns at once; a detached worker then does all outstanding work found
# on disk, so a lost event does no harm.
#
#   SFTPGO_ACTION                                    lane
#   upload, or none (a disconnect)                   ingest: tsv_parser.py
#   mkdir                                            provision: create_grafana_resources.yml
#   rename (so does Explorer name a new folder)      both
#   anything else                                    one line in hook.log
#
# `on-upload.sh sweep`, for the timer and for people, runs both lanes side by side, then `python -m powerview watch`, and
# ends with the worse lane's status. A lane's last status is in <lane>.status in POWERVIEW_STATE_DIR.
# POWERVIEW_STATE_DIR and POWERVIEW_LOG_DIR come from the environment or from `.env` beside this file.
# Descriptor 9 is the lane's lock, from the hook that takes it to the worker that releases it.
# It is one file, if a long one, because a thousand events start it a thousand times, and each file more costs each.
set -euo pipefail

readonly PLAYBOOK=grafana-automation/playbooks/create_grafana_resources.yml
readonly NAME='[A-Za-z0-9][A-Za-z0-9_.-]{0,63}' # of a client, a campaign, a device
readonly EX_USAGE=2 EX_SOFTWARE=70 EX_TEMPFAIL=75 EX_NOPERM=77 EX_CONFIG=78 # but for the first as in sysexits.h
readonly LOCK_TAKEN=100                         # no status that flock, or a shell that cannot run it, ends with otherwise
readonly SWEEP_SECONDS=300                      # from one watch to the next while a lane is at work
readonly PLAYBOOK_SECONDS=600 WATCH_SECONDS=240 # after them the program is ended
readonly KILL_SECONDS=30                        # what it then has to end in good order

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

# ── logs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

# usage: log LOG TEXT; one line with its time in LOG, and on standard error, which only a sweep has.
# A log that cannot be written stops nothing.
log() {
  local file=$POWERVIEW_LOG_DIR/$1 text=${2//[^[:print:]]/?} time
  printf -v time '%(%Y-%m-%d %H:%M:%S%z)T' -1
  text="${time:0:-2}:${time: -2} ${text:0:2000}"
  printf '%s\n' "$text" >&2
  [[ -d $POWERVIEW_LOG_DIR ]] || mkdir -p -- "$POWERVIEW_LOG_DIR" || :
  printf '%s\n' "$text" >>"$file" || :
}

# usage: quoted TEXT; text from outside, in REPLY, so that it cannot end a line or pass for ours.
quoted() {
  printf -v REPLY %q "${1:0:200}"
}

# usage: PROGRAM | repeat LOG PREFIX
repeat() {
  local line
  trap : TERM # what the program prints at its end is logged as well
  while IFS= read -r line || [[ $line ]]; do log "$1" "$2$line"; done
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
    log provisioning.log "refused: folder $REPLY: a name is a letter or digit, then at most 63 letters, digits, _ . -"
  fi
  wake provision
}

on_other() {
  local path
  quoted "${SFTPGO_ACTION_VIRTUAL_PATH-}" && path=$REPLY
  quoted "$SFTPGO_ACTION"
  log hook.log "ignoring SFTPGO_ACTION=$REPLY of $path: upload, rename, mkdir and disconnects are known"
}

# usage: wake LANE; mark that there is something to do, and start a worker if none is at work.
# First the marker, then the lock: a worker that still has the lock looks for the marker after releasing it.
wake() {
  local lane=$1 marker=$POWERVIEW_STATE_DIR/$1.marker lock
  find_lock "$lane" || return 0
  lock=$REPLY
  # A full disk may refuse the marker; the work can be done all the same.
  [[ -e $marker ]] || : >>"$marker" || log hook.log "$lane: $marker cannot be created; the next sweep does the outstanding work"
  {
    lock "$lane" -n || return 0
    setsid -- "$BASH" "$HERE/on-upload.sh" work "$lane" </dev/null >/dev/null 2>&1 &
  } 9<>"$lock"
}

# ── lanes ────────────────────────────────────────────────────────────────────────────────────────────────────────────

# usage: find_lock LANE; its file in REPLY, status 1 if it cannot be used. It is created once and never removed, or two
# workers could lock two files of one name. It is opened for writing, as NFS wants it.
find_lock() {
  local lane=$1
  REPLY=$POWERVIEW_STATE_DIR/$lane.lock
  true 2>/dev/null <>"$REPLY" && return
  mkdir -p -- "$POWERVIEW_STATE_DIR" && true <>"$REPLY" && return
  log hook.log "$lane: $REPLY cannot be opened: POWERVIEW_STATE_DIR must be a folder of this user, with room on its disk"
  return 1
}

# usage: lock LANE [OPTION]; flock's OPTION for the lane's lock. Only that another process has it is no line in the log.
lock() {
  local lane=$1 status=0 reason
  shift
  reason=$(flock "$@" -E "$LOCK_TAKEN" 9 2>&1) || status=$?
  if ((status != 0 && status != LOCK_TAKEN)); then
    log hook.log "$lane: its lock in $POWERVIEW_STATE_DIR does not work: ${reason:-flock ended with status $status}"
  fi
  return "$status"
}

# usage: drain LANE; with its lock held do the outstanding work, release it, and begin again if an event came meanwhile.
drain() {
  local lane=$1 marker=$POWERVIEW_STATE_DIR/$1.marker worst=0 status once
  while :; do
    status=0 once=''
    rm -f -- "$marker" || once=yes # or it would be found again for ever
    # Only this process has the lock: an orphan, shell or program, must not keep the lane.
    (exec 9<&- && "$lane") || status=$?
    keep_status "$lane" "$status"
    worse "$worst" "$status" && worst=$REPLY
    lock "$lane" -u || :
    if [[ $once || ! -e $marker ]] || ! lock "$lane" -n; then return "$worst"; fi
  done
}

# usage: keep_status LANE STATUS; for `check` and `watch`, how the lane has ended. It is replaced as a whole.
keep_status() {
  local lane=$1 status=$2 file=$POWERVIEW_STATE_DIR/$1.status
  if ! printf '%d %(%Y-%m-%dT%H:%M:%S%z)T\n' "$status" -1 >"$file.new" || ! mv -f -- "$file.new" "$file"; then
    log hook.log "$lane: $file cannot be written: \`check\` does not know that the lane ended with status $status"
  fi
}

# usage: worse STATUS STATUS; the worse one in REPLY: 0 < 1 (a file in error/) < 75 (a server is away) < anything else.
worse() {
  local status rank worst=-1
  for status; do
    case $status in
      0 | 1)          rank=$status ;;
      "$EX_TEMPFAIL") rank=2 ;;
      *)              rank=$((100 + status)) ;;
    esac
    if ((rank > worst)); then worst=$rank REPLY=$status; fi
  done
}

# The parser writes the fate of each file into uploads.log itself; what it prints on standard error is for a person.
ingest() {
  local status=0
  trap : TERM # a stopped sweep waits for the parser's end
  { "$PYTHON" "$HERE/tsv_parser.py" </dev/null 2>&1 >&3 3>&- | repeat hook.log 'ingest: '; } 3>&1 || status=$?
  case $status in
    0 | 1 | 75 | 77 | 78) ;; # the parser has printed why
    *) log hook.log "ingest: tsv_parser.py ended with status $status; what it had not settled is still pending" ;;
  esac
  return "$status"
}

# What ansible-playbook prints (with result format json): `    "msg": "powerview: …"`, also as an item of a list; when a
# task fails `[ERROR]: …` and then `fatal: [localhost]: FAILED! => {…, "msg": "…"}`, or `"censored": "…"` where no_log
# hides it, with `failed:` in a loop. The last of these is the reason.
readonly REPORTED='^ *("msg": )?"powerview: (([^"\]|\\.)*)",?$'
readonly COMPLAINT='^(\[ERROR\]: |ERROR! )(.*)$'
readonly FAILED='^(fatal: |failed: ).*"(msg|censored)": "(([^"\]|\\.)*)"'

# The playbook prints `powerview: …` for each campaign that it created or repaired; that is what goes into the log.
# It never ends as 1 or 75: from the parser these mean that nothing of ours has failed, and the sweep would hide it.
provision() {
  local status=0 reason='it printed nothing'
  local memory=$POWERVIEW_STATE_DIR/provision.refused refused='' refused_before=''
  if [[ ! -f $HERE/$PLAYBOOK ]] || ! in_venv ansible-playbook; then
    log provisioning.log "FAILED $EX_CONFIG: $PLAYBOOK or ansible-playbook is missing: no dashboard is created"
    return "$EX_CONFIG"
  fi
  if [[ -r $memory ]]; then IFS= read -r -d '' refused_before <"$memory" || :; fi
  run_playbook "$REPLY" || status=$?
  [[ $refused == "$refused_before" ]] || printf %s "$refused" >"$memory" || :
  ((status)) || return 0
  log provisioning.log "FAILED $status: $reason (ansible-playbook $HERE/$PLAYBOOK shows more)"
  if ((status == 1 || status == EX_TEMPFAIL)); then status=$EX_SOFTWARE; fi
  return "$status"
}

# usage: run_playbook ANSIBLE_PLAYBOOK; for provision. Status: the playbook's; 124 or 137 if it had to be ended.
run_playbook() {
  local ansible=$1 playbook='' stopped='' began=$SECONDS status=0
  trap 'stopped=yes; [[ ! $playbook ]] || stop_group "$playbook"' TERM # a stopped sweep waits for the playbook's end
  exec 3< <(echo; exec timeout -k "$KILL_SECONDS" "$PLAYBOOK_SECONDS" "$ansible" "$HERE/$PLAYBOOK" </dev/null 2>&1)
  playbook=$!
  # A signal that came before its number was known, or before it had dropped this shell's traps, has not ended it. Its
  # empty line shows that it has; status 129 and above, that a signal has ended the reading.
  until read -r -u 3 || (($? < 129)); do :; done
  [[ ! $stopped ]] || stop_group "$playbook"
  read_playbook <&3
  wait "$playbook" || status=$?
  while kill -0 "$playbook" 2>/dev/null; do # a signal has ended the reading or the waiting
    status=0
    wait "$playbook" || status=$?
  done
  ((SECONDS - began < PLAYBOOK_SECONDS)) || reason="it did not end within $PLAYBOOK_SECONDS seconds ($reason)"
  return "$status"
}

# For provision: log what the playbook reports, and find its reason if it fails.
read_playbook() {
  local line
  while IFS= read -r line; do
    if [[ $line =~ $REPORTED ]]; then
      plain "${BASH_REMATCH[2]}" && log_once "$REPLY"
    elif [[ $line =~ $FAILED ]]; then
      plain "${BASH_REMATCH[3]}" && reason=$REPLY
    elif [[ $line =~ $COMPLAINT ]]; then
      plain "${BASH_REMATCH[2]}" && reason=$REPLY
    fi
  done
}

# usage: log_once TEXT; for provision, a line of its log. A refused name stays until it is renamed: it is logged once.
log_once() {
  local text=$1
  if [[ $text == refused* ]]; then
    refused+=$text$'\n'
    if [[ $'\n'$refused_before == *$'\n'"$text"$'\n'* ]]; then return; fi
  fi
  log provisioning.log "$text"
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

# ── sweep ────────────────────────────────────────────────────────────────────────────────────────────────────────────

# Both lanes side by side, then the watch. While one of them is still at work, the other one and the watch come again
# every five minutes: a lane that hangs holds up neither.
sweep() {
  local -A at_work=() ended=()
  local lane stopped='' clock='' worst=0
  only_owner
  trap 'stop 130' INT
  trap 'stop 143' TERM
  trap 'stop 129' HUP
  while :; do
    [[ $stopped ]] || start_lanes
    wait_for_lanes
    if [[ $stopped ]]; then stop "$stopped"; else watch; fi
    ((${#at_work[@]})) || break
  done
  stop_clock
  for lane in "${!ended[@]}"; do worse "$worst" "${ended[$lane]}" && worst=$REPLY; done
  exit "${stopped:-$worst}"
}

# For sweep: those that are not at work, each in a session of its own. So all of it can be stopped, and nothing else.
start_lanes() {
  local lane
  set_clock "$SWEEP_SECONDS"
  for lane in ingest provision; do
    [[ ! $stopped && ! ${at_work[$lane]-} ]] || continue
    setsid -- "$BASH" "$HERE/on-upload.sh" lane "$lane" </dev/null &
    at_work[$lane]=$!
  done
}

# usage: stop STATUS; for sweep, when a signal ends it. The lanes end in good order, and the sweep after them. The clock
# lets it try again: a shell that is just starting a program can miss a signal.
stop() {
  local lane
  stopped=$1
  for lane in "${!at_work[@]}"; do stop_group "${at_work[$lane]}"; done
  stop_clock # the next one starts in wait_for_lanes: here, in a trap, it would be the $! that start_lanes is about to read
}

# usage: stop_group PID; the group of what setsid or timeout runs, also if that has ended before, or the process that is
# just starting one of them.
stop_group() {
  local pid=$1
  kill -- "-$pid" 2>/dev/null || kill "$pid" 2>/dev/null || :
}

# usage: set_clock SECONDS; for sweep, in place of the clock that is running
set_clock() {
  local seconds=$1
  stop_clock
  sleep "$seconds" &
  clock=$!
}

stop_clock() {
  [[ ! $clock ]] || kill "$clock" 2>/dev/null || :
  clock=''
}

# For sweep: until no lane is at work, or the clock has run down. `wait -n` does not notice a child that a signal has
# ended just before; at worst it waits for the clock then.
wait_for_lanes() {
  local lane status
  while :; do
    [[ $clock ]] || set_clock "$KILL_SECONDS"
    for lane in "${!at_work[@]}"; do
      kill -0 "${at_work[$lane]}" 2>/dev/null && continue
      status=0
      wait "${at_work[$lane]}" || status=$?
      ended[$lane]=$status
      unset "at_work[$lane]"
    done
    ((${#at_work[@]})) && kill -0 "$clock" 2>/dev/null || return 0
    wait -n "$clock" "${at_work[@]}" || :
  done
}

# usage: lane LANE; a lane of a sweep, after the worker that is at it, if there is one.
lane() {
  local lane=$1
  trap 'exit 143' TERM # bash runs this only after the program has ended
  if find_lock "$lane"; then
    { if lock "$lane"; then drain "$lane"; return; fi; } 9<>"$REPLY"
  fi
  keep_status "$lane" "$EX_CONFIG"
  return "$EX_CONFIG"
}

# Look at everything, and notify. What it prints is treated as the parser's; its status changes nothing: it is no lane.
watch() {
  local status=0 began=$SECONDS why
  {
    timeout --foreground -k "$KILL_SECONDS" "$WATCH_SECONDS" "$PYTHON" -m powerview watch </dev/null 2>&1 >&3 3>&- |
      repeat hook.log 'watch: '
  } 3>&1 || status=$?
  ((SECONDS - began < WATCH_SECONDS)) && why="ended with status $status" || why="did not end within $WATCH_SECONDS seconds"
  case $status in
    0 | 75 | 78) ;; # it has printed why
    *) log hook.log "watch: python -m powerview watch $why" ;;
  esac
}

# SFTPGo's user could not write to files that another user creates in the tree and among the logs.
only_owner() {
  local folder=$POWERVIEW_STATE_DIR
  until [[ -e $folder/ ]]; do folder=${folder%/*}; done # it may not be created yet
  [[ -O $folder/ ]] && return
  printf '%s\n' "on-upload.sh: $folder belongs to another user; run it as that user:" \
    "sudo -u $(stat -c %U -- "$folder/") $HERE/on-upload.sh sweep" >&2
  exit "$EX_NOPERM"
}

# ── main ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

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
  in_venv python && PYTHON=$REPLY || PYTHON=python3
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
    'lane '*) surroundings && lane "$2" ;;
    *)        usage ;;
  esac
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then main "$@"; fi
