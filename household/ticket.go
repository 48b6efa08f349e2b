package household

import "time"

// Ticket is time a child may take when they like.
type Ticket struct {
	Minutes int       `json:"minutes"`
	Of      string    `json:"of"` // what it is for, as Exception.Of
	Expires time.Time `json:"expires,omitzero"`
}
