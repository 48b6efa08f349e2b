package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/blake2b"
)

// pack makes a tar.gz of a folder and signs it as minisign does, with the key of
// whoever is named; $KEY_name is the public one.
//
//	pack FOLDER ARCHIVE NAME
func pack(ts *testscript.TestScript, neg bool, args []string) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	w := tar.NewWriter(z)
	ts.Check(w.AddFS(os.DirFS(ts.MkAbs(args[0]))))
	ts.Check(w.Close())
	ts.Check(z.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), packed.Bytes(), 0o600))

	seed := sha256.Sum256([]byte(args[2]))
	private, number := ed25519.NewKeyFromSeed(seed[:]), seed[:8]
	b64 := base64.StdEncoding.EncodeToString
	ts.Setenv("KEY_"+args[2], b64(append(append([]byte("Ed"), number...), private.Public().(ed25519.PublicKey)...)))
	hash := blake2b.Sum512(packed.Bytes())
	one := ed25519.Sign(private, hash[:])
	signature := "untrusted comment: x\n" + b64(append(append([]byte("ED"), number...), one...)) + "\n" +
		"trusted comment: " + filepath.Base(args[1]) + "\n" + b64(ed25519.Sign(private, append(bytes.Clone(one), filepath.Base(args[1])...))) + "\n"
	ts.Check(os.WriteFile(ts.MkAbs(args[1]+".minisig"), []byte(signature), 0o600))
}
