//go:build !passkeys

package web

import "net/http"

// passkeyState is what a server with passkeys keeps in memory.
type passkeyState struct{}

const passkeyScript = ""

func mayUsePasskeys(*http.Request) bool { return false }

func (s *Server) passkeyRoutes(*http.ServeMux) {}
