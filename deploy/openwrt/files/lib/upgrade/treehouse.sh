# shellcheck shell=ash disable=SC2034
# For sysupgrade, which reads all files here. It packs what it is to keep in memory,
# beside the image. That is no place for large lists, which can be had again; the
# family's files are small.

# In KiB: beside an image of 20 MiB in the 60 that /tmp has on a router of 128.
TREEHOUSE_MOST=16384

# treehouse_conffiles LIST: takes blocklists.db off the list of files if it is
# large, and the folder that would bring it back.
treehouse_conffiles() {
	local lists=/etc/treehouse/blocklists.db size
	size="$(du -k "$lists" 2>/dev/null)"
	[ "${size%%[!0-9]*}" -gt "$TREEHOUSE_MOST" ] 2>/dev/null || return 0
	logger -t treehouse -p daemon.warn "The lists are too large for sysupgrade to keep: they are fetched again afterwards, and what was imported by hand has to be imported again."
	sed -i -e "\\,^$lists\$,d" -e '\,^/etc/treehouse/*$,d' "$1"
}

sysupgrade_init_conffiles="$sysupgrade_init_conffiles treehouse_conffiles"
