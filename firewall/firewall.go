package firewall

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Limits. A transaction travels as one message that the kernel copies as a
// whole, so what goes into it is bounded.
const (
	// MaxBlocked is the number of addresses and networks in Rules.Blocked. The
	// public lists of DNS-over-HTTPS servers have about 3,000; 16,384 make a
	// transaction of 1.5 MB, which a router with 64 MB can still hold for a moment.
	MaxBlocked = 16384
	// MaxDevices is the number of devices in Rules.Paused or Rules.Exempt, ten
	// times what a large home has.
	MaxDevices = 1024
	// MaxSources is the number of interfaces or networks: each interface is a
	// rule that every packet meets.
	MaxSources = 64
	// MaxPause is the longest timeout of a pause; longer ones have no end of
	// their own. The kernel counts in jiffies and wraps after 49 days on 32 bits.
	MaxPause = 31 * 24 * time.Hour
)

// ErrUnavailable is what every error is (errors.Is) that says that this machine
// cannot have a firewall at all: no nftables in the kernel, no permission, not
// Linux. The rest of Treehouse works without it, so it is to be reported, not to
// stop for.
var ErrUnavailable = errors.New("the firewall is not available")

// ErrNotCut is what the error is that says that the rules are in force, but
// running connections of paused devices could not be ended: those that are
// offloaded may go on.
var ErrNotCut = errors.New("running connections could not be ended")

// Rules is all that the table holds. The zero Rules is a table that does
// nothing; Remove takes the table away.
type Rules struct {
	// Interfaces and Networks say which packets are the home's: those that come
	// in on one of the interfaces ("br-lan") or from one of the networks. With
	// neither, nothing is redirected or refused, and nobody kept from sending.
	Interfaces []string
	Networks   []netip.Prefix

	// Port is the local port that port 53 is redirected to, on the address of
	// the interface that the packet came in on. Zero: nothing is redirected.
	// Where dnsmasq keeps port 53 and asks us, it is 53.
	Port uint16

	// RefuseDoT refuses port 853 to the outside, over TCP and UDP.
	RefuseDoT bool
	// Blocked are servers to which port 443 is refused, over TCP and UDP: known
	// DNS-over-HTTPS addresses. They may overlap.
	Blocked []netip.Prefix

	// Paused are the devices of the home that reach nothing beyond this machine.
	// What comes in from elsewhere than the home is not asked for its MAC address:
	// the provider's gateway is a neighbour too, and everything comes from it.
	Paused []Device
	// Exempt are devices that are not paused, even if Paused names one of them, or
	// an address that one of them has now: the thermostat that is not sent to bed.
	// What else is in force holds for them too.
	Exempt []net.HardwareAddr
}

// Device is one network card of a paused device.
type Device struct {
	MAC net.HardwareAddr // six bytes
	// Addresses that it is known to have, beside those in the kernel's neighbour
	// table, which Apply reads itself. They may be stale only if nobody else has
	// them now: packets to them are dropped.
	Addresses []netip.Addr
	// For ends the pause in the kernel, even if we should not be running by
	// then. Zero: it ends when Apply is called without the device.
	For time.Duration
}

// check says what is wrong with the rules before the kernel would, in words
// that name the field.
func (r Rules) check() error {
	if n := len(r.Interfaces); n > MaxSources {
		return fmt.Errorf("firewall rules: %d interfaces are more than %d; name networks instead", n, MaxSources)
	}
	if n := len(r.Networks); n > MaxSources {
		return fmt.Errorf("firewall rules: %d networks are more than %d; join neighbouring ones", n, MaxSources)
	}
	for _, name := range r.Interfaces {
		if name == "" || len(name) > maxInterfaceName {
			return fmt.Errorf("firewall rules: %q is not an interface name; it has 1 to %d characters", name, maxInterfaceName)
		}
	}
	if n := len(r.Blocked); n > MaxBlocked {
		return fmt.Errorf("firewall rules: %d blocked addresses are more than %d; shorten the list", n, MaxBlocked)
	}
	for field, list := range map[string][]netip.Prefix{"networks": r.Networks, "blocked": r.Blocked} {
		for _, p := range list {
			if !p.IsValid() {
				return fmt.Errorf("firewall rules: %s holds an empty prefix; give an address such as 9.9.9.9/32", field)
			}
		}
	}
	if len(r.Paused) > MaxDevices || len(r.Exempt) > MaxDevices {
		return fmt.Errorf("firewall rules: %d paused and %d exempt devices; at most %d of each", len(r.Paused), len(r.Exempt), MaxDevices)
	}
	for _, d := range r.Paused {
		if err := checkMAC("paused", d.MAC); err != nil {
			return err
		}
		if d.For < 0 {
			return fmt.Errorf("firewall rules: the pause of %s ended %s ago; leave the device out", d.MAC, -d.For)
		}
	}
	for _, mac := range r.Exempt {
		if err := checkMAC("exempt", mac); err != nil {
			return err
		}
	}
	return nil
}

// maxInterfaceName is the kernel's IFNAMSIZ without the final zero.
const maxInterfaceName = 15

// macLen is the length of an Ethernet address in bytes; the set in the kernel
// takes no other kind.
const macLen = 6

func checkMAC(field string, mac net.HardwareAddr) error {
	if len(mac) != macLen {
		return fmt.Errorf("firewall rules: %s holds the MAC address %q, which should have %d bytes", field, mac, macLen)
	}
	if !IsDevice(mac) {
		return fmt.Errorf("firewall rules: %s holds the MAC address %s, which is no device's", field, mac)
	}
	return nil
}

// IsDevice tells whether a MAC address can be a device's: not all zero, which
// stands for "not known", and no group's (IEEE 802: the lowest bit of the first
// byte).
func IsDevice(mac net.HardwareAddr) bool {
	return len(mac) == macLen && mac[0]&1 == 0 && [macLen]byte(mac) != [macLen]byte{}
}

// mac is a MAC address that can be a key.
type mac [macLen]byte

// pauses joins the devices of r that are to be paused, exempt ones left out,
// with the addresses that the neighbour table knows for them. A device that is
// listed twice keeps the longer pause. A device may say that it has any address:
// one that is neither private nor on one of our links is a server's, which
// nobody else is to miss.
func (r Rules) pauses(neighbours map[mac][]netip.Addr, links []netip.Prefix) (macs map[mac]time.Duration, addrs map[netip.Addr]time.Duration) {
	exempt := make(map[mac]bool, len(r.Exempt))
	spared := make(map[netip.Addr]bool)
	for _, m := range r.Exempt {
		exempt[mac(m)] = true
		for _, a := range neighbours[mac(m)] {
			spared[a] = true
		}
	}
	macs, addrs = make(map[mac]time.Duration), make(map[netip.Addr]time.Duration)
	for _, d := range r.Paused {
		m := mac(d.MAC)
		if exempt[m] {
			continue
		}
		pause := d.For
		if pause > MaxPause {
			pause = 0
		}
		keepLonger(macs, m, pause)
		for _, list := range [][]netip.Addr{d.Addresses, neighbours[m]} {
			for _, a := range list {
				// The same addresses mean another device on every link, so they
				// cannot stand for this one; they are never forwarded either.
				if a = a.Unmap().WithZone(""); a.IsGlobalUnicast() && !spared[a] && (a.IsPrivate() || within(links, a)) {
					keepLonger(addrs, a, pause)
				}
			}
		}
	}
	return macs, addrs
}

func within(links []netip.Prefix, a netip.Addr) bool {
	for _, p := range links {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// keepLonger notes the longer of two pauses; zero is the longest, it has no end.
func keepLonger[K comparable](pauses map[K]time.Duration, key K, pause time.Duration) {
	if old, ok := pauses[key]; !ok || old != 0 && (pause == 0 || pause > old) {
		pauses[key] = pause
	}
}
