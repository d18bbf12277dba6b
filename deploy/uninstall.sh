# shellcheck shell=bash
# Sourced by install.sh for `--uninstall`: takes away what install.sh put outside /srv, the sweep and the containers.
# Uploads, readings, dashboards, settings and secrets stay, and so do packages and the firewall; the end names them.

uninstall() {
  # Unlike install.sh's, this dry run looks at the server that it is on.
  local kept=()
  uninstall_sweep
  uninstall_sftpgo_settings
  uninstall_caddy
  uninstall_containers
  uninstall_code
  what_stays
}

# usage: remove FILE …; those that are there.
remove() {
  local file
  for file; do
    if [[ -e $file || -L $file ]]; then run rm -f "$file"; fi
  done
}

uninstall_sweep() {
  heading "The sweep and the logs' rotation"
  local timer=/etc/systemd/system/powerview-sweep.timer
  if [[ -e $timer ]]; then run systemctl disable --now powerview-sweep.timer; fi
  if [[ -e $SWEEP ]]; then run systemctl stop powerview-sweep.service; fi
  remove "$timer" "$SWEEP" /etc/logrotate.d/powerview
  run systemctl daemon-reload
}

uninstall_sftpgo_settings() {
  heading "SFTPGo no longer calls PowerView; its users and their files stay"
  local place=/etc/sftpgo/sftpgo.env rest
  if [[ -r $place ]] && grep -q '^# PowerView: SFTPGo' "$place"; then
    printf '%s\n' "# out of $place: our block, every other line stays"
    if [[ ! $dry_run ]]; then
      rest=$(without_our_block "$place")
      fill "$place" 640 root:sftpgo <<<"$rest"
    fi
    run systemctl restart sftpgo
  fi
}

# usage: without_our_block FILE
without_our_block() {
  sed '/^# PowerView: SFTPGo/,/^# PowerView: end/d' "$1"
}

uninstall_caddy() {
  heading "Caddy's sites, if its file is as we put it there"
  if [[ ! -e $CADDY_DROP_IN ]]; then return; fi
  if cmp --silent "$CADDYFILE_KEPT" "$CADDYFILE"; then
    run systemctl disable --now caddy
    remove "$CADDYFILE" "$CADDY_DROP_IN"
    run systemctl daemon-reload
  else
    kept+=("$CADDYFILE, which was changed by hand, and $CADDY_DROP_IN, whose variables it may use")
  fi
  remove "$CADDYFILE_KEPT"
}

uninstall_containers() {
  heading "The containers; their two volumes stay"
  admin=$(admin_before)
  if [[ ! $admin ]]; then return; fi
  find_admin
  as_admin podman-compose down
  as_admin systemctl --user disable podman-restart.service
}

uninstall_code() {
  heading "Root's clone, and git's permission to read it"
  local place
  for place in "$SOURCE" "$SOURCE/.git"; do
    if git config --system --get-all safe.directory "^$place\$" >/dev/null 2>&1; then
      run git config --system --unset-all safe.directory "^$place\$"
    fi
  done
  if [[ -d $SOURCE ]]; then run rm -rf "$SOURCE"; fi
}

what_stays() {
  heading "What stays, for a person to keep or to delete"
  local line
  for line in \
    "$UPLOADS: the uploads, the logs and the state" \
    "$PROJECT: .env with its secrets, the code and its Python" \
    "the volumes powerview-influxdb and powerview-grafana: the readings, the dashboards and their users" \
    "$SETUP_CODE and all else of SFTPGo" \
    "the packages (SFTPGo, podman, Caddy, ufw and others) and their sources, and the rules of the firewall" \
    "the access lists on $UPLOADS and $PROJECT" "${kept[@]}"; do
    printf '%s\n' "$line"
  done
}
