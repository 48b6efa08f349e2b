package web

import "time"

// apiToken lets a program in, within its scope. Like a session it is kept only
// as the hash of what the program holds.
type apiToken struct {
	ID    string    `json:"id"`
	Name  string    `json:"name"`
	Scope string    `json:"scope"`
	Since time.Time `json:"since"`
}
