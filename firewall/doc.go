// Package firewall closes the ways around the resolver and makes Pause mean it.
//
// DNS alone cannot do either: a device that asks 9.9.9.9 never asks us, and a
// game that is already connected needs no names. So the router's own packet
// filter gets one table of ours, `inet treehouse`, and in it
//
//   - port 53 (UDP, TCP, IPv4, IPv6) from the home is redirected to us, whatever
//     server was asked;
//   - port 853 (DNS over TLS, over QUIC) and the known DNS-over-HTTPS addresses
//     on port 443 are refused at once, so that a device falls back to port 53
//     instead of waiting;
//   - a paused device's packets are dropped by its MAC address, and by its IP
//     addresses in the other direction, before anyone's "established: accept" is
//     reached; then its connections are deleted from the kernel's memory, which
//     takes flows off the fast path (flow offloading) that passes by all rules.
//     Only what is forwarded is dropped: this machine's own pages stay within reach.
//
// How it stays out of everyone's way:
//
//   - The whole table is replaced in one netlink transaction: there is no moment
//     without rules, and a mistake leaves the old ones in force.
//   - Nothing outside that table is read or written. fw4 on OpenWrt, Docker, a
//     hand-written ruleset: none of them sees us, none is changed.
//   - The table outlives a crash. That is meant: while the daemon restarts, port
//     53 leads nowhere rather than past the filter. Apply sweeps what an earlier
//     run left, Remove takes it away, and so does `nft delete table inet treehouse`.
//
// It speaks netlink through package syscall. The usual library for it would make
// the binary for mipsle 393 KB larger, this makes it 131 KB, 23 KB of them
// compressed.
//
// The functions hold no state and may be called at once; the kernel puts
// transactions in order.
package firewall
