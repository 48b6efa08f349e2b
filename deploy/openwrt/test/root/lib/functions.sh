# shellcheck shell=ash disable=SC2034,SC3043,SC1090
# Stand-ins for the functions of OpenWrt's that the scripts use.

# uci_validate_section PACKAGE TYPE SECTION 'option:type:default'...: sets a
# variable for each option; fails if a value is not of its type.
uci_validate_section() {
	local package="$1" section="$3" spec option kind value
	shift 3
	for spec; do
		option="${spec%%:*}"
		kind="${spec#*:}"
		value=
		case "$kind" in
			*:*)
				value="${kind##*:}"
				kind="${kind%:*}" ;;
		esac
		value="$(uci -q get "$package.$section.$option" || echo "$value")"
		case "$kind" in
			bool)
				case "$value" in
					1 | on | true | yes | enabled) value=1 ;;
					0 | off | false | no | disabled) value=0 ;;
					*) return 1 ;;
				esac ;;
			port)
				[ "$value" -gt 0 ] 2>/dev/null && [ "$value" -lt 65536 ] || return 1 ;;
			range*)
				[ "$value" -ge 0 ] 2>/dev/null && [ "$value" -lt 65536 ] || return 1 ;;
			directory) # one that is there
				[ -d "$value" ] || return 1 ;;
			or*)
				case "$kind" in
					*"\"$value\""*) ;;
					*) return 1 ;;
				esac ;;
		esac
		eval "$option=\$value"
	done
}

add_group_and_user() { echo "user $(cat "/lib/apk/packages/${pkgname:?}.rusers")" >> /tmp/procd; }

# What the package manager's scripts call, in the order that OpenWrt has.
default_postinst() {
	local script
	for script in /etc/uci-defaults/*; do
		(. "$script") && rm -f "$script"
	done
	[ "$PKG_UPGRADE" = 1 ] || /etc/init.d/treehouse enable
	/etc/init.d/treehouse start
}
default_prerm() {
	[ "$PKG_UPGRADE" = 1 ] || /etc/init.d/treehouse disable
	/etc/init.d/treehouse stop
}
