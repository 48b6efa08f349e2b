package web

// What the tests in package web_test look at from inside.

// ParentsPages says which build is tested.
const ParentsPages = parentsPages

// CheckPassphrase refuses what is guessed first.
var CheckPassphrase = checkPassphrase

// AssetSizes gives the compressed size of all assets and of one page's.
func (s *Server) AssetSizes() (all int) {
	for _, f := range s.assets.files {
		all += len(f.zipped)
	}
	return all
}

// CheapHashes makes new hashes weak, for tests that sign in often.
func (s *Server) CheapHashes() { s.hasher.passes = 1 }
