//go:build tiny

package resolver

// The tiny build answers over UDP and TCP. What only a true constant would lead
// to, the linker drops: TLS as its server speaks it, and the reading of keys.
const overTLS = false
