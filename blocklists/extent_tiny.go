//go:build tiny

package blocklists

// The tiny build has the catalogue that came with it. Lists are imported and
// fetched as everywhere.
const replaceable = false
