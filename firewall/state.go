package firewall

// State is what of our table is in force, for who wants to know and not to change it.
type State struct {
	On        bool // there is a table of ours
	Redirects bool // port 53 is led to us
	Refuses   bool // encrypted DNS elsewhere is refused: port 853, or known addresses on 443
}
