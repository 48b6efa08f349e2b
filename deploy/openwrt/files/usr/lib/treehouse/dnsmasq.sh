# shellcheck shell=ash disable=SC2034,SC3043
# How dnsmasq is taken into service, and given back as it was.
#
# An option that we change is put aside under another name in the same section,
# with its place and kind kept: `server` becomes `treehouse_was_server`. Giving
# back renames it again, so the file is the same to the byte. Both live in one
# file, so one commit changes both, and a power cut cannot come between.
# `treehouse_changed` lists what we changed, for options that were not set before.

# Our changes are kept apart until they are committed, so that taking them back
# takes back nothing that somebody else has typed and not saved yet.
DNSMASQ_CHANGES=/tmp/.uci-treehouse
dnsmasq_uci() { uci -t "$DNSMASQ_CHANGES" "$@"; }

dnsmasq_sections() {
	dnsmasq_uci -X show dhcp | sed -n 's/^dhcp\.\([^.=]*\)=dnsmasq$/\1/p'
}

# dnsmasq_put_aside SECTION OPTION...
dnsmasq_put_aside() {
	local section="$1" option
	shift
	for option; do
		dnsmasq_uci add_list "dhcp.$section.treehouse_changed=$option"
		dnsmasq_uci -q rename "dhcp.$section.$option=treehouse_was_$option"
	done
}

# dnsmasq_put_back: everything that was put aside, in all sections.
dnsmasq_put_back() {
	local section option
	for section in $(dnsmasq_sections); do
		for option in $(dnsmasq_uci -q get "dhcp.$section.treehouse_changed"); do
			dnsmasq_uci -q delete "dhcp.$section.$option"
			dnsmasq_uci -q rename "dhcp.$section.treehouse_was_$option=$option"
		done
		dnsmasq_uci -q delete "dhcp.$section.treehouse_changed"
	done
}

# dnsmasq_domain_servers SECTION: the servers for a domain that were set before
# ("/lan.example/10.0.0.1"). They are the administrator's own names and stay as
# they are; all other servers would lead past us. /#/ is every domain.
dnsmasq_domain_servers() {
	local server
	for server in $(dnsmasq_uci -q get "dhcp.$1.treehouse_was_server"); do
		case "$server" in
			/\#/* | //*) ;;
			/*) echo "$server" ;;
		esac
	done
}

# dnsmasq_to_us PORT closed|open NAME: dnsmasq keeps port 53 and asks us, with
# the MAC and the address of who asks.
dnsmasq_to_us() {
	local port="$1" when_down="$2" name="$3" section entry
	for section in $(dnsmasq_sections); do
		dnsmasq_put_aside "$section" noresolv server allservers addmac stripmac addsubnet stripsubnet rebind_domain rebind_localhost
		dnsmasq_uci set "dhcp.$section.noresolv=1"
		if [ "$when_down" = open ]; then
			# There from the first moment: without it, dnsmasq would not start.
			[ -s "$DNSMASQ_SERVERS" ] || echo "server=127.0.0.1#$port" > "$DNSMASQ_SERVERS"
			dnsmasq_put_aside "$section" serversfile addnmount
			dnsmasq_uci set "dhcp.$section.serversfile=$DNSMASQ_SERVERS"
			# Its jail has only what is named; some releases of OpenWrt name the
			# servers file by themselves, and twice does no harm.
			for entry in $(dnsmasq_uci -q get "dhcp.$section.treehouse_was_addnmount") "$DNSMASQ_SERVERS"; do
				dnsmasq_uci add_list "dhcp.$section.addnmount=$entry"
			done
		else
			dnsmasq_uci add_list "dhcp.$section.server=127.0.0.1#$port"
		fi
		for entry in $(dnsmasq_domain_servers "$section"); do
			dnsmasq_uci add_list "dhcp.$section.server=$entry"
		done
		# Without strip, what a client claims to be would pass through.
		dnsmasq_uci set "dhcp.$section.addmac=1"
		dnsmasq_uci set "dhcp.$section.stripmac=1"
		dnsmasq_uci set "dhcp.$section.addsubnet=32,128"
		dnsmasq_uci set "dhcp.$section.stripsubnet=1"
		# An upstream that answers with an address of the home, or with 0.0.0.0,
		# is taken for an attack (rebinding). We do both: for our own name, and
		# for what is blocked. What others try so, we stop ourselves.
		dnsmasq_uci set "dhcp.$section.rebind_localhost=1"
		for entry in $(dnsmasq_uci -q get "dhcp.$section.treehouse_was_rebind_domain") "$name"; do
			dnsmasq_uci add_list "dhcp.$section.rebind_domain=$entry"
		done
	done
}

# Where dnsmasq finds whom to ask, with when_down "open". Listing us and the
# provider at once would not do: in any order, dnsmasq asks the second when the
# first is slow, and a child's question would go past us. So it is one or the
# other, and /usr/lib/treehouse/watch says which.
DNSMASQ_SERVERS=/tmp/treehouse.servers
DNSMASQ_PROVIDER=/tmp/resolv.conf.d/resolv.conf.auto # as netifd learned it

# dnsmasq_ask us|provider PORT: from now on. The file is written in place, since
# dnsmasq may be in a jail that holds on to the file it was started with.
dnsmasq_ask() {
	local section server file
	set -f
	{
		if [ "$1" = us ]; then
			echo "server=127.0.0.1#$2"
		else
			for section in $(dnsmasq_sections); do
				for server in $(dnsmasq_uci -q get "dhcp.$section.treehouse_was_server"); do
					case "$server" in
						/*) ;;
						*) echo "server=$server" ;;
					esac
				done
			done
			sed -n 's/^nameserver[[:space:]]*/server=/p' "$DNSMASQ_PROVIDER" 2>/dev/null
		fi
		# What the administrator has in a file of this kind stays in force.
		for section in $(dnsmasq_sections); do
			file="$(dnsmasq_uci -q get "dhcp.$section.treehouse_was_serversfile")" && cat "$file" 2>/dev/null
		done
	} > "$DNSMASQ_SERVERS"
	set +f
	/etc/init.d/dnsmasq reload # reads the file, keeps leases and connections
}

# dnsmasq_aside PORT: we have port 53; dnsmasq knows the local names, and nobody
# gets past us by asking it for others.
dnsmasq_aside() {
	local port="$1" section entry
	for section in $(dnsmasq_sections); do
		dnsmasq_put_aside "$section" port noresolv server dhcp_option
		dnsmasq_uci set "dhcp.$section.port=$port"
		dnsmasq_uci set "dhcp.$section.noresolv=1"
		for entry in $(dnsmasq_domain_servers "$section"); do
			dnsmasq_uci add_list "dhcp.$section.server=$entry"
		done
		# Away from port 53, dnsmasq no longer tells DHCP clients to ask this
		# router; 0.0.0.0 stands for the address that each of them sees.
		set -- '6,0.0.0.0'
		for entry in $(dnsmasq_uci -q get "dhcp.$section.treehouse_was_dhcp_option"); do
			case "$entry" in
				6,* | option:dns-server,*) set -- ;;
			esac
			dnsmasq_uci add_list "dhcp.$section.dhcp_option=$entry"
		done
		[ $# = 0 ] || dnsmasq_uci add_list "dhcp.$section.dhcp_option=$1"
	done
}

# dnsmasq_use behind|front closed|open PORT NAME: makes it so, and restarts
# dnsmasq if that is a change. Flash is written only then.
dnsmasq_use() {
	local before
	set -f # an asterisk in a name is no pattern
	[ -d "$DNSMASQ_CHANGES" ] || mkdir -m 0700 "$DNSMASQ_CHANGES"
	before="$(dnsmasq_uci -q export dhcp)"
	dnsmasq_put_back
	case "$1" in
		behind) dnsmasq_to_us "$3" "$2" "$4" ;;
		front) dnsmasq_aside 54 ;;
	esac
	if [ "$before" = "$(dnsmasq_uci -q export dhcp)" ]; then
		dnsmasq_uci revert dhcp
	else
		dnsmasq_uci commit dhcp
		/etc/init.d/dnsmasq restart
	fi
	set +f
}

# dnsmasq_give_back: as it was before us.
dnsmasq_give_back() {
	dnsmasq_use nobody
	rm -f "$DNSMASQ_SERVERS"
}
