package household

import (
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// RequestID names a request for good.
type RequestID uint32

// Request is a child asking for a site or for time.
type Request struct {
	ID     RequestID       `json:"id"`
	Person filter.PolicyID `json:"person"`
	Name   string          `json:"name,omitempty"` // the site; empty: time
	Asked  time.Time       `json:"asked"`
}

// Ticket is time a child may take when they like.
type Ticket struct {
	Minutes int       `json:"minutes"`
	Of      string    `json:"of"` // what it is for, as Exception.Of
	Expires time.Time `json:"expires,omitzero"`
}
