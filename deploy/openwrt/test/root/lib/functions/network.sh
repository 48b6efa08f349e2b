# shellcheck shell=ash
# A home at 192.168.1.1 with a public IPv6 prefix; no other network.
network_flush_cache() { :; }
network_get_ipaddr() { [ "$2" = lan ] && eval "$1=192.168.1.1"; }
network_get_ipaddr6() { [ "$2" = lan ] && eval "$1=2001:db8:1::1"; }
network_get_subnets6() { [ "$2" = lan ] && eval "$1='2001:db8:1::1/64 fd01::1/64'"; }
# netifd tells the device of what is up; before that it has none.
network_get_device() { [ "$2" = lan ] && [ -e /tmp/netifd ] && eval "$1=br-lan"; }
