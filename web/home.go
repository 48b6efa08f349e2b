package web

import (
	"net/netip"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
)

// Home is the family as the pages need it. Any number of goroutines call it at
// once. household.Family has the first three methods; the rest is for
// cmd/treehouse to add.
type Home interface {
	// Household is the one in force. It is read-only.
	Household() *household.Household
	// Change alters a copy and puts it in force; with an error nothing changes.
	Change(change func(*household.Household) error) error
	// Notify puts an empty struct into c at every change, without waiting, until
	// the returned function is called.
	Notify(c chan<- struct{}) (stop func())
	// Whose tells whose device is at an address: the device, 0 if nobody has
	// seen it, and its person, 0 if nobody has assigned it.
	Whose(addr netip.Addr) (household.DeviceID, filter.PolicyID)
	// Decide judges a name as the resolver would. The topic is the one that
	// decided, zero where none did.
	Decide(person filter.PolicyID, name filter.Name, at time.Time) (filter.Verdict, filter.Topic)
	// LastBlock is the last name that was blocked for the device at an address,
	// if that was at most BlockMemory ago.
	LastBlock(addr netip.Addr) (Blocked, bool)
	// Topics are the services, groups and categories of the lists in force.
	Topics() []filter.Topic
	// Health is what a parent should know about how things run.
	Health() []Trouble
}

// Counter is a Home that keeps what a parent may see: counts by week, and never
// names. household.Family is one. Without it the pages show no counts.
type Counter interface {
	Weeks(id filter.PolicyID) ([]household.Week, error)
}

// Noter is a Home that notes the names of a device a parent looks for a fault
// on, as household.Household.LogDevice says. household.Family is one.
type Noter interface {
	Log(id household.DeviceID) []household.LogEntry
}

// Librarian is a Home that knows which lists there are. Without it a report
// goes to those who keep the built-in catalogue.
type Librarian interface {
	// Keepers are the lists in force with where to write about each, by ID; the
	// catalogue's is "". A list whose keeper is not known has "".
	Keepers() map[string]string
	// Listed are the IDs of the lists that name a site, or one above it, under a
	// topic.
	Listed(name filter.Name, topic string) []string
}

// Keeper is a Home whose family may have been read from a backup; Looked says
// that a parent has seen that, so that Health need not.
type Keeper interface {
	Looked() error
}

// BlockMemory is how long a block is remembered for the device it happened on:
// long enough to open the page that explains it, too short to be a history.
const BlockMemory = 5 * time.Minute

// Blocked is one block.
type Blocked struct {
	Name filter.Name
	At   time.Time
}

// Trouble is one thing a parent should know about.
type Trouble string

// The troubles that have words.
const (
	TroubleOffline  Trouble = "offline"  // no upstream answers
	TroubleGone     Trouble = "gone"     // the names of a list are lost, and it cannot be fetched
	TroubleStarter  Trouble = "starter"  // only the lists that came with the program, until others are fetched
	TroubleNoLists  Trouble = "nolists"  // only those, and no others are asked for: a note, shown at home only
	TroubleOldLists Trouble = "oldlists" // the lists have not been renewed for a while
	TroubleStorage  Trouble = "storage"  // nothing can be written
	TroubleRestored Trouble = "restored" // the family was read from a backup
	TroubleClock    Trouble = "clock"    // the clock is not set, stricter hours hold
	TroubleFirewall Trouble = "firewall" // running connections cannot be ended
	TroubleJump     Trouble = "jump"     // the clock has jumped, stricter hours hold
)

// Clock is a Home whose time may be another than its system's clock, as with
// TroubleJump. Shows is what the latter shows. A parent who says that it is right
// sets household.Settings.Clock.
type Clock interface {
	Shows() time.Time
}

// Vault keeps one small value for the pages: accounts, sessions and tokens,
// none of them in clear. It is written at sign-in and sign-out, not per page.
type Vault interface {
	// Load gives what was saved last; nil if nothing was.
	Load() ([]byte, error)
	Save(value []byte) error
}
