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

const (
	// maxIdentifiers bounds each kind of identifier a device may gather: a phone
	// that changes its address every day would otherwise grow for ever. The
	// oldest goes first.
	maxIdentifiers = 16
	// newADay is how many new devices a day are learned: a class that comes on
	// its first day, or a child who makes up a MAC a minute.
	newADay = 100
	// maxClientID is the longest DHCP client identifier that is kept, in bytes
	// of its hex form; a DUID has at most 130 bytes (RFC 8415 §11.1).
	maxClientID = 2 * 130
)

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
	Seen    Date         `json:"seen,omitzero"`     // last, to the day: a device is not watched

	// Away is the token by which the device is known when it is not at home, or
	// empty; see LetAway. Who has it is answered as the device.
	Away string `json:"away,omitempty"`

	// Keeps says that the device keeps its connection: neither a pause nor a night
	// is meant for it (a thermostat, the alarm). All other rules hold for it.
	Keeps bool `json:"keeps,omitempty"`

	// Logged is until when its names are noted for a parent, in memory only; see
	// LogDevice. Another owner ends it.
	Logged time.Time `json:"loggedUntil,omitzero"`
	// LoggedBy is who turned that on, for the one who is told.
	LoggedBy string `json:"loggedBy,omitempty"`
}

// AddDevice gives a device an ID and adds it. None of its identifiers may be
// another device's.
func (h *Household) AddDevice(d Device) (*Device, error) {
	if len(h.Devices) >= MaxDevices {
		return nil, fmt.Errorf("a household has at most %d devices; remove one first", MaxDevices)
	}
	if d.Person != 0 && h.Person(d.Person) == nil {
		return nil, noPerson(d.Person)
	}
	d.Addrs = slices.Clone(d.Addrs)
	for i, a := range d.Addrs {
		d.Addrs[i] = a.Unmap().WithZone("")
		if !canBeDevice(d.Addrs[i]) {
			return nil, fmt.Errorf("%s is no address that one device can have; give its own, such as 192.168.1.20", a)
		}
		if other := h.deviceWith(func(o *Device) bool { return slices.Contains(o.Addrs, d.Addrs[i]) }); other != nil {
			return nil, fmt.Errorf("%s is already the address of %s; take it from there first", a, other.Name)
		}
	}
	for _, m := range d.MACs {
		if !m.canBeDevice() {
			return nil, fmt.Errorf("%s is no MAC address that one device can have; give its own, such as 4c:5e:0c:12:34:56", m)
		}
		if other := h.deviceWith(func(o *Device) bool { return slices.Contains(o.MACs, m) }); other != nil {
			return nil, fmt.Errorf("%s already belongs to %s; merge the two", m, other.Name)
		}
	}
	for _, c := range d.Clients {
		if other := h.deviceWith(func(o *Device) bool { return slices.Contains(o.Clients, c) }); other != nil {
			return nil, fmt.Errorf("the DHCP client %s already belongs to %s; merge the two", c, other.Name)
		}
	}
	d.Name, d.Hint = CleanName(d.Name), CleanName(d.Hint)
	if d.Name == "" {
		d.Name = d.Hint
	}
	h.Settings.LastDevice++
	d.ID = h.Settings.LastDevice
	h.Devices = append(h.Devices, d)
	return &h.Devices[len(h.Devices)-1], nil
}

// canBeDevice tells whether an address can be one device's.
func canBeDevice(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// Assign gives a device to a person, or to nobody with 0.
func (h *Household) Assign(id DeviceID, person filter.PolicyID) error {
	d := h.Device(id)
	if d == nil {
		return noDevice(id)
	}
	if person != 0 && h.Person(person) == nil {
		return noPerson(person)
	}
	if d.Person != person {
		d.Person, d.Logged, d.LoggedBy = person, time.Time{}, ""
	}
	return nil
}

// RenameDevice calls a device something else.
func (h *Household) RenameDevice(id DeviceID, name string) error {
	d := h.Device(id)
	if d == nil {
		return noDevice(id)
	}
	if name = CleanName(name); name == "" {
		return fmt.Errorf("a device needs a name")
	}
	d.Name = name
	return nil
}

// KeepConnection says whether a device keeps its connection while whoever it
// belongs to is paused or in bed.
func (h *Household) KeepConnection(id DeviceID, keeps bool) error {
	d := h.Device(id)
	if d == nil {
		return noDevice(id)
	}
	d.Keeps = keeps
	return nil
}

// RemoveDevice forgets a device. If it comes back it is a new one, with the
// default profile.
func (h *Household) RemoveDevice(id DeviceID) error {
	if h.Device(id) == nil {
		return noDevice(id)
	}
	h.Devices = slices.DeleteFunc(h.Devices, func(d Device) bool { return d.ID == id })
	return nil
}

// Merge says that two devices are one: what is known of from goes to into, which
// keeps its name, its person and whether it keeps its connection. A phone that changed its MAC comes home this way.
func (h *Household) Merge(into, from DeviceID) error {
	to, other := h.Device(into), h.Device(from)
	switch {
	case to == nil:
		return noDevice(into)
	case other == nil:
		return noDevice(from)
	case into == from:
		return fmt.Errorf("%s cannot be merged with itself", to.Name)
	}
	to.Addrs = gather(to.Addrs, other.Addrs...)
	to.MACs = gather(to.MACs, other.MACs...)
	to.Clients = gather(to.Clients, other.Clients...)
	if to.Seen.Before(other.Seen) {
		to.Seen = other.Seen
	}
	if to.Hint == "" {
		to.Hint = other.Hint
	}
	if to.Away == "" {
		to.Away = other.Away
	}
	return h.RemoveDevice(from)
}

// gather adds what is new at the end and drops the oldest beyond the limit.
func gather[T comparable](have []T, more ...T) []T {
	for _, v := range more {
		have = append(slices.DeleteFunc(have, func(o T) bool { return o == v }), v)
	}
	return have[max(0, len(have)-maxIdentifiers):]
}

// Observe learns from a lease: a new device, or another identifier of one that
// is known. It tells whether anything was learned that is worth writing down.
// What a known device says of itself is learned once a day, and so many new
// devices a day: neither wears the flash out by calling itself something else.
func (h *Household) Observe(l Lease, now time.Time) (changed bool, err error) {
	if !l.MAC.canBeDevice() {
		l.MAC = MAC{}
	}
	if l.MAC == (MAC{}) && l.Client == "" {
		return false, nil // an address alone says nothing about tomorrow
	}
	if len(l.Client) > maxClientID {
		l.Client = ""
	}
	today := DateOf(now.In(h.zone))
	d := h.deviceWith(func(o *Device) bool { return l.MAC != (MAC{}) && slices.Contains(o.MACs, l.MAC) })
	if d == nil && l.Client != "" {
		d = h.deviceWith(func(o *Device) bool { return slices.Contains(o.Clients, l.Client) })
		if d != nil && l.MAC != (MAC{}) {
			// The same client identifier with another MAC. A device chooses both,
			// so this proves nothing: a child could send a parent's. It stays a
			// device of its own, and a parent is asked (Similar).
			d, l.Client = nil, ""
		}
	}
	if d == nil {
		fresh := Device{Hint: l.Host, Seen: today}
		if l.MAC != (MAC{}) {
			fresh.MACs = []MAC{l.MAC}
		}
		if l.Client != "" {
			fresh.Clients = []string{l.Client}
		}
		if h.newOn(today) >= newADay {
			return false, nil
		}
		h.makeRoom()
		_, err := h.AddDevice(fresh)
		return err == nil, err
	}
	hint, daily := CleanName(l.Host), d.Seen.Before(today)
	if hint != "" && hint != d.Hint && (daily || d.Hint == "") {
		d.Hint, changed = hint, true
		if d.Name == "" {
			d.Name = hint
		}
	}
	if l.Client != "" && (daily || len(d.Clients) == 0) &&
		h.deviceWith(func(o *Device) bool { return slices.Contains(o.Clients, l.Client) }) == nil {
		d.Clients, changed = gather(d.Clients, l.Client), true
	}
	if daily {
		d.Seen, changed = today, true
	}
	return changed, nil
}

// newOn counts the devices nobody has assigned that were seen on a day.
func (h *Household) newOn(day Date) int {
	n := 0
	for _, d := range h.Devices {
		if d.Person == 0 && d.Seen == day {
			n++
		}
	}
	return n
}

// makeRoom forgets the unassigned devices not seen for longest, where there are
// too many. One that a parent has let do something is not forgotten.
func (h *Household) makeRoom() {
	for {
		count, oldest := 0, -1
		for i, d := range h.Devices {
			if d.Person != 0 || d.Away != "" || d.Keeps {
				continue
			}
			if count++; oldest < 0 || d.Seen.Before(h.Devices[oldest].Seen) {
				oldest = i
			}
		}
		if count < maxUnassigned && len(h.Devices) < MaxDevices || oldest < 0 {
			return
		}
		h.Devices = slices.Delete(h.Devices, oldest, oldest+1)
	}
}

// Similar are devices that a new one may be, because they give themselves the
// same name and make up their addresses: "is this Ana's tablet again?" Only a
// parent can say so.
func (h *Household) Similar(id DeviceID) []Device {
	d := h.Device(id)
	if d == nil || d.Person != 0 || d.Hint == "" {
		return nil
	}
	var like []Device
	for _, o := range h.Devices {
		if o.ID != id && o.Person != 0 && sameName(o.Hint, d.Hint) {
			like = append(like, o)
		}
	}
	return like
}

// PrivateAddress tells whether the device makes its MAC up, and so may come back
// under another.
func (d Device) PrivateAddress() bool {
	return len(d.MACs) > 0 && d.MACs[len(d.MACs)-1].Private()
}

func (h *Household) deviceWith(is func(*Device) bool) *Device {
	for i := range h.Devices {
		if is(&h.Devices[i]) {
			return &h.Devices[i]
		}
	}
	return nil
}

func noDevice(id DeviceID) error {
	return fmt.Errorf("there is no device with the number %d; list them with treehouse devices", id)
}
