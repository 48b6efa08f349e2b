package household

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// Limits of a household. A policy costs about 10 KiB beside its names, so 64
// people stay under the megabyte that the household may take.
const (
	MaxPeople  = 64   // people
	MaxDevices = 1000 // devices

	// maxPersonID is the highest number a person may have. Numbers are never
	// used again, and the filter keeps a table up to the highest.
	maxPersonID = 4095
)

// What commands call all children and every unassigned device, and the owner of a
// device that has none. No person has these names.
const (
	Everyone = "everyone"
	Nobody   = "nobody"
)

// Household is the family at one moment: a value that is replaced and never
// altered once a Change has returned. Any number of goroutines may read it.
type Household struct {
	Settings Settings
	People   []Person // by ID
	Devices  []Device // by ID
	Requests []Request
	Reports  []Report // by ID

	bands *Bands
	zone  *time.Location
}

// Settings are the household's own.
type Settings struct {
	// Sample marks the family that comes with the program for trying it out.
	Sample bool `json:"sample,omitempty"`
	// Default is the band of devices nobody has assigned.
	Default BandID `json:"default"`
	// Paused stops everyone who has rules; zero: not paused.
	Paused Pause `json:"paused,omitzero"`
	// Overlays are the country's rules that the family has taken, by ID.
	Overlays []string `json:"overlays,omitempty"`
	// Tell is how much of a child's request may leave the home.
	Tell Tell `json:"tell,omitempty"`
	// Counted turns counting on for everyone who has not chosen otherwise; see
	// SetCounting.
	Counted bool `json:"counted,omitempty"`
	// Holidays are the days without school.
	Holidays []Holiday `json:"holidays,omitempty"`
	// Clock is what the system's clock showed when a parent said last that it was
	// right; see Timekeeper.Confirm.
	Clock time.Time `json:"clock,omitzero"`
	// LastPerson and LastDevice are the highest IDs ever given: an ID is never
	// used again, so that nothing old comes true for somebody new.
	LastPerson filter.PolicyID `json:"lastPerson"`
	LastDevice DeviceID        `json:"lastDevice"`
	LastAsked  RequestID       `json:"lastRequest"`
	LastReport ReportID        `json:"lastReport,omitempty"`
}

// Holiday is a stretch of days without school, both ends included.
type Holiday struct {
	Name  string `json:"name"`
	First Date   `json:"first"`
	Last  Date   `json:"last"`
}

// New is a household without people. zone is where its clocks are read; nil is
// UTC.
func New(bands *Bands, zone *time.Location) *Household {
	if zone == nil {
		zone = time.UTC
	}
	return &Household{Settings: Settings{Default: DefaultBand}, bands: bands, zone: zone}
}

// Bands is the table of defaults the household was loaded with.
func (h *Household) Bands() *Bands { return h.bands }

// Zone is where the household's clocks are read.
func (h *Household) Zone() *time.Location { return h.zone }

// Person finds a person by ID, or nil.
func (h *Household) Person(id filter.PolicyID) *Person {
	for i := range h.People {
		if h.People[i].ID == id {
			return &h.People[i]
		}
	}
	return nil
}

// PersonNamed finds a person by name, letters' case aside, or nil.
func (h *Household) PersonNamed(name string) *Person {
	for i := range h.People {
		if sameName(h.People[i].Name, name) {
			return &h.People[i]
		}
	}
	return nil
}

// Device finds a device by ID, or nil.
func (h *Household) Device(id DeviceID) *Device {
	for i := range h.Devices {
		if h.Devices[i].ID == id {
			return &h.Devices[i]
		}
	}
	return nil
}

// DevicesOf are the devices of a person; of 0, those nobody has assigned.
func (h *Household) DevicesOf(id filter.PolicyID) []Device {
	var of []Device
	for _, d := range h.Devices {
		if d.Person == id {
			of = append(of, d)
		}
	}
	return of
}

// AddPerson gives a person an ID and adds them.
func (h *Household) AddPerson(p Person) (*Person, error) {
	p.Name = CleanName(p.Name)
	switch {
	case p.Name == "":
		return nil, fmt.Errorf("a person needs a name")
	case sameName(p.Name, Everyone) || sameName(p.Name, Nobody):
		return nil, fmt.Errorf("%s is a word of its own here; choose another name", p.Name)
	case h.PersonNamed(p.Name) != nil:
		return nil, fmt.Errorf("there is already somebody called %s; add an initial", p.Name)
	case len(h.People) >= MaxPeople:
		return nil, fmt.Errorf("a household has at most %d people; remove one first", MaxPeople)
	}
	if _, ok := h.bands.Band(p.Band); !ok {
		return nil, fmt.Errorf("there is no age band %q; it is one of %s", p.Band, h.bands.names())
	}
	if h.Settings.LastPerson >= maxPersonID {
		return nil, fmt.Errorf("%d people have lived here, which is all there is room for; erase the family's data to begin anew", maxPersonID)
	}
	h.Settings.LastPerson++
	p.ID = h.Settings.LastPerson
	h.People = append(h.People, p)
	return &h.People[len(h.People)-1], nil
}

// RemovePerson takes a person out; their devices belong to nobody afterwards,
// so the default profile answers them.
func (h *Household) RemovePerson(id filter.PolicyID) {
	h.People = slices.DeleteFunc(h.People, func(p Person) bool { return p.ID == id })
	h.Requests = slices.DeleteFunc(h.Requests, func(r Request) bool { return r.Person == id })
	for i := range h.Devices {
		if h.Devices[i].Person == id {
			h.Devices[i].Person, h.Devices[i].Logged, h.Devices[i].LoggedBy = 0, time.Time{}, ""
		}
	}
}

// follows tells whether h can be a later state of the same family, nil of none:
// IDs are never used again, unless everything was erased or restored.
func (h *Household) follows(before *Household) bool {
	return before == nil || h.Settings.LastPerson >= before.Settings.LastPerson && h.Settings.LastDevice >= before.Settings.LastDevice
}

// clone is a copy that may be altered without touching h.
func (h *Household) clone() *Household {
	c := *h
	c.Settings.Holidays = slices.Clone(h.Settings.Holidays)
	c.Settings.Overlays = slices.Clone(h.Settings.Overlays)
	c.People, c.Devices, c.Requests, c.Reports = clones(h.People), clones(h.Devices), clones(h.Requests), clones(h.Reports)
	return &c
}

func clones[T item[T]](items []T) []T {
	out := slices.Clone(items)
	for i := range out {
		out[i] = out[i].clone()
	}
	return out
}

// clone is a copy that shares nothing which may be altered.
func (p Person) clone() Person {
	p.Switch = maps.Clone(p.Switch)
	p.Names = slices.Clone(p.Names)
	p.Homework = slices.Clone(p.Homework)
	for i := range p.Homework {
		p.Homework[i].Groups = slices.Clone(p.Homework[i].Groups)
	}
	p.Exceptions = slices.Clone(p.Exceptions)
	p.Tickets = slices.Clone(p.Tickets)
	if p.Nights != nil {
		nights := slices.Clone(*p.Nights)
		p.Nights = &nights
	}
	if p.Counted != nil {
		counted := *p.Counted
		p.Counted = &counted
	}
	return p
}

func (d Device) clone() Device {
	d.Addrs, d.MACs, d.Clients = slices.Clone(d.Addrs), slices.Clone(d.MACs), slices.Clone(d.Clients)
	return d
}

func (r Report) clone() Report {
	r.Lists = slices.Clone(r.Lists)
	return r
}

func (r Request) clone() Request {
	r.Again = slices.Clone(r.Again)
	return r
}
