# shellcheck shell=ash disable=SC2034,SC3043
# How dnsmasq is taken into service, and given back as it was.
#
# An option that we change is put aside under another name in the same section,
# with its place and kind kept: `server` becomes `treehouse_was_server`. Giving
# back renames it again, so the file is the same to the byte. Both live in one
# file, so one commit changes both, and a power cut cannot come between.
# `treehouse_changed` lists what we changed, for options that were not set before.

# All changes are made in a folder of our own: what somebody has typed elsewhere
# and not saved yet is neither committed nor seen.
dnsmasq_uci() { uci -t /tmp/.uci-treehouse "$@"; }

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

# dnsmasq_upstreams SECTION WHICH: the servers that were set before. Those for a
# domain ("/lan.example/10.0.0.1") are the administrator's own names and stay in
# any case; WHICH is "all" or "domains". /#/ is every domain.
dnsmasq_upstreams() {
	local server
	set -f # an asterisk in a name is no pattern
	for server in $(dnsmasq_uci -q get "dhcp.$1.treehouse_was_server"); do
		case "$2:$server" in
			all:*) echo "$server" ;;
			domains:/\#/* | domains://*) ;;
			domains:/*) echo "$server" ;;
		esac
	done
	set +f
}

# dnsmasq_to_us PORT closed|open NAME: dnsmasq keeps port 53 and asks us, with
# the MAC and the address of who asks.
dnsmasq_to_us() {
	local port="$1" when_down="$2" name="$3" section server
	for section in $(dnsmasq_sections); do
		dnsmasq_put_aside "$section" server allservers addmac stripmac addsubnet stripsubnet rebind_domain
		dnsmasq_uci add_list "dhcp.$section.server=127.0.0.1#$port"
		if [ "$when_down" = open ]; then
			# In order: the others are asked only when we do not answer.
			dnsmasq_put_aside "$section" strictorder
			dnsmasq_uci set "dhcp.$section.strictorder=1"
			set -- all
		else
			dnsmasq_put_aside "$section" noresolv
			dnsmasq_uci set "dhcp.$section.noresolv=1"
			set -- domains
		fi
		for server in $(dnsmasq_upstreams "$section" "$1"); do
			dnsmasq_uci add_list "dhcp.$section.server=$server"
		done
		# Without strip, what a client claims to be would pass through.
		dnsmasq_uci set "dhcp.$section.addmac=1"
		dnsmasq_uci set "dhcp.$section.stripmac=1"
		dnsmasq_uci set "dhcp.$section.addsubnet=32,128"
		dnsmasq_uci set "dhcp.$section.stripsubnet=1"
		# Our own name has an address of the home, which dnsmasq would take for
		# an attack (rebinding) when it comes from an upstream.
		for server in $(dnsmasq_uci -q get "dhcp.$section.treehouse_was_rebind_domain") "$name"; do
			dnsmasq_uci add_list "dhcp.$section.rebind_domain=$server"
		done
	done
}

# dnsmasq_aside PORT: we have port 53; dnsmasq knows the local names, and nobody
# gets past us by asking it for others.
dnsmasq_aside() {
	local port="$1" section entry
	for section in $(dnsmasq_sections); do
		dnsmasq_put_aside "$section" port noresolv server dhcp_option
		dnsmasq_uci set "dhcp.$section.port=$port"
		dnsmasq_uci set "dhcp.$section.noresolv=1"
		for entry in $(dnsmasq_upstreams "$section" domains); do
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
	before="$(dnsmasq_uci -q export dhcp)"
	dnsmasq_put_back
	case "$1" in
		behind) dnsmasq_to_us "$3" "$2" "$4" ;;
		front) dnsmasq_aside 54 ;;
	esac
	if [ "$before" = "$(dnsmasq_uci -q export dhcp)" ]; then
		dnsmasq_uci revert dhcp
		return
	fi
	dnsmasq_uci commit dhcp
	/etc/init.d/dnsmasq restart
}

# dnsmasq_give_back: as it was before us.
dnsmasq_give_back() { dnsmasq_use nobody; }
