#!/bin/bash
# The firewall: in come SSH (a few tries a minute from one address), the web on 443 and SFTP on 2022; all else stays out.
# usage: firewall.sh [--dry-run]
set -euo pipefail

ufw=(ufw)
if [[ ${1-} == --dry-run ]]; then ufw=(echo ufw); fi

# The ports that SSH answers on, wherever an admin has put it: nobody shuts himself out. sshd's own, and those of
# ssh.socket, where systemd listens in its place and sshd knows nothing of a ListenStream= there.
ssh_ports() {
  local ports
  ports=$(sshd -T 2>/dev/null | sed -n 's/^port //p'; socket_ports) || :
  printf '%s\n' "${ports:-22}" | sort -nu
}

# A socket that is not in use shows its ports as well.
socket_ports() {
  if systemctl is-active --quiet ssh.socket || systemctl is-enabled --quiet ssh.socket; then
    systemctl show --property=Listen ssh.socket | sed -nE '/^Listen=vsock:/d; s/^Listen=.*:([0-9]+) \(Stream\)$/\1/p'
  fi 2>/dev/null
}

for port in $(ssh_ports); do
  # In place of `allow OpenSSH` and `limit ssh`: the first would let in whom the second is to stop.
  "${ufw[@]}" limit "$port/tcp"
done
"${ufw[@]}" allow https
"${ufw[@]}" allow 2022/tcp
"${ufw[@]}" default deny incoming
"${ufw[@]}" default allow outgoing
"${ufw[@]}" --force enable
