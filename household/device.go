package household

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// DeviceID names a device for good; it is never used again.
type DeviceID uint32

// maxIdentifiers bounds each kind of identifier a device may gather: a phone
// that changes its address every day would otherwise grow for ever. The oldest
// goes first.
const maxIdentifiers = 16

// Device is a thing on the network: a set of identifiers, because phones change
// their MAC and IPv6 changes by the day.
type Device struct {
	ID     DeviceID        `json:"id"`
	Name   string          `json:"name"`             // "Ana's tablet", cleaned
	Person filter.PolicyID `json:"person,omitempty"` // 0: nobody's, the default profile

	Addrs   []netip.Addr `json:"addrs,omitempty"`   // fixed by a parent, not learned
	MACs    []MAC        `json:"macs,omitempty"`    // the latest last
	Clients []string     `json:"clients,omitempty"` // DHCP client identifiers and DUIDs, in hex
	Hint    string       `json:"hint,omitempty"`    // the name it gives itself: hostile text, cleaned
	Seen    time.Time    `json:"seen,omitzero"`     // last, to the day: a device is not watched
}

// AddDevice gives a device an ID and adds it.
func (h *Household) AddDevice(d Device) (*Device, error) {
	if len(h.Devices) >= MaxDevices {
		return nil, fmt.Errorf("a household has at most %d devices; remove one first", MaxDevices)
	}
	if d.Person != 0 && h.Person(d.Person) == nil {
		return nil, fmt.Errorf("device %q: there is no person %d", d.Name, d.Person)
	}
	for _, a := range d.Addrs {
		if other := h.deviceWith(func(o *Device) bool { return slices.Contains(o.Addrs, a) }); other != nil {
			return nil, fmt.Errorf("%s is already %s's address; take it from there first", a, other.Name)
		}
	}
	for _, m := range d.MACs {
		if other := h.deviceWith(func(o *Device) bool { return slices.Contains(o.MACs, m) }); other != nil {
			return nil, fmt.Errorf("%s is already %s's; merge the two", m, other.Name)
		}
	}
	d.Name, d.Hint = CleanName(d.Name), CleanName(d.Hint)
	h.Settings.LastDevice++
	d.ID = h.Settings.LastDevice
	h.Devices = append(h.Devices, d)
	return &h.Devices[len(h.Devices)-1], nil
}

func (h *Household) deviceWith(is func(*Device) bool) *Device {
	for i := range h.Devices {
		if is(&h.Devices[i]) {
			return &h.Devices[i]
		}
	}
	return nil
}
