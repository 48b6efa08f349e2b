// Package household knows the family: who lives here, how old they are, which
// device is whose, and what each may do when. It compiles all that to
// filter.Policy values and tells who is asking.
//
//	Bands      what a family starts from, as data with a reason for each line
//	Overlay    what a country's law says, proposed and never put in force silently
//	Household  people, devices, requests and settings: a value, never altered
//	Family     the Household in force and its file; one writer at a time
//	Clients    who is asking: an immutable table from address, MAC or token to policy
//	Network    what is seen on the wire: neighbours and leases
//	Record     names for a few minutes, or for a parent who looks for a fault
//	Tally      how often something was blocked, as far as a parent may see
//	Notice     that a child asks, for a parent who is elsewhere
//	Foreign    what another program knew about the family
//
// A Household is replaced, not altered: readers take the one in force and keep
// it as long as they like, and its methods that alter are for the function that
// Family.Change runs. Two processes may write (the daemon and the command line);
// each change reads the file again inside its own transaction.
//
// How a policy comes about: what is nearer to the person and the moment comes
// first, and about one topic the first rule that applies decides.
//
//	granted    a service opened for a while
//	homework   groups that pause for work
//	switched   what a parent switched on or off, a topic before its group
//	overlaid   the country's overlays the family has taken
//	defaults   the age band's, a topic before its group, then its hours
//
// An exception lifts a rule for a while wherever it comes from, and bedtime and
// pauses close everything but the lifeline before any of these is asked.
package household
