package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// component is one thing that an image is made of, with its package URL (https://github.com/package-url/purl-spec).
type component struct{ name, version, purl string }

// escape writes a version for a package URL: Debian's have colons and tildes.
func escape(version string) string { return url.QueryEscape(version) }

// The part of SPDX 2.3 that a list of packages needs (https://spdx.github.io/spdx-spec/v2.3/).
type (
	spdxDocument struct {
		Version       string             `json:"spdxVersion"`
		DataLicense   string             `json:"dataLicense"`
		ID            string             `json:"SPDXID"`
		Name          string             `json:"name"`
		Namespace     string             `json:"documentNamespace"`
		Creation      spdxCreation       `json:"creationInfo"`
		Packages      []spdxPackage      `json:"packages"`
		Relationships []spdxRelationship `json:"relationships"`
	}
	spdxCreation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		ID            string          `json:"SPDXID"`
		Name          string          `json:"name"`
		Version       string          `json:"versionInfo,omitempty"`
		Download      string          `json:"downloadLocation"`
		FilesAnalyzed bool            `json:"filesAnalyzed"`
		Purpose       string          `json:"primaryPackagePurpose,omitempty"`
		Checksums     []spdxChecksum  `json:"checksums,omitempty"`
		References    []spdxReference `json:"externalRefs,omitempty"`
	}
	spdxChecksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}
	spdxReference struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	spdxRelationship struct {
		From string `json:"spdxElementId"`
		Type string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	}
)

const imageID = "SPDXRef-Image"

// writeBill writes the bill of materials of the image with that digest.
func writeBill(path, what, full string, digest v1.Hash, bill []component) error {
	text, err := json.MarshalIndent(document(what, full, digest, bill), "", "  ")
	if err != nil {
		return fmt.Errorf("writing the bill of materials: %w", err)
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

func document(what, full string, digest v1.Hash, bill []component) spdxDocument {
	d := spdxDocument{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: "SPDXRef-DOCUMENT", Name: full,
		// Unique for what it describes, as the specification wants, and the same when the image is.
		Namespace: "https://shoal.dev/spdx/" + what + "-" + digest.Hex,
		Creation:  spdxCreation{Created: epoch.Format("2006-01-02T15:04:05Z"), Creators: []string{"Tool: shoal-hack-images"}},
		Packages: []spdxPackage{{
			ID: imageID, Name: full, Download: "NOASSERTION", Purpose: "CONTAINER",
			Checksums: []spdxChecksum{{Algorithm: "SHA256", Value: digest.Hex}},
		}},
		Relationships: []spdxRelationship{{From: "SPDXRef-DOCUMENT", Type: "DESCRIBES", To: imageID}},
	}
	for i, c := range bill {
		id := "SPDXRef-Package-" + strconv.Itoa(i)
		d.Packages = append(d.Packages, spdxPackage{
			ID: id, Name: c.name, Version: c.version, Download: "NOASSERTION",
			References: []spdxReference{{Category: "PACKAGE-MANAGER", Type: "purl", Locator: c.purl}},
		})
		d.Relationships = append(d.Relationships, spdxRelationship{From: imageID, Type: "CONTAINS", To: id})
	}
	return d
}
