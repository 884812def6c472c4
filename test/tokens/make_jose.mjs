// Makes jose.json: a key and a token for every algorithm by npm's jose, another implementation than ours.
//
//	npm install jose && node make_jose.mjs >jose.json
//
// The tokens are valid from 2026 to 2100; the tests say themselves what time it is.
import { SignJWT, generateKeyPair, generateSecret, exportJWK } from 'jose'

const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA',
	'HS256', 'HS384', 'HS512']
const made = []
for (const alg of algorithms) {
	const keys = alg.startsWith('HS') ? await generateSecret(alg, { extractable: true })
		: await generateKeyPair(alg, { extractable: true, crv: alg === 'EdDSA' ? 'Ed25519' : undefined })
	const kid = `jose-${alg}`
	const key = { ...await exportJWK(keys.publicKey ?? keys), kid, alg, use: 'sig' }
	const token = await new SignJWT({ email: 'j\u00f6rg@example.com', nested: { o: { id: 'acme' } } })
		.setProtectedHeader({ alg, kid, typ: 'at+jwt' })
		.setIssuer('https://jose.example.com').setSubject(`subject of ${alg}`).setJti(alg)
		.setAudience(['somebody else', 'teamrbac'])
		.setIssuedAt(1767225600).setNotBefore(1767225600).setExpirationTime(4102444800)
		.sign(keys.privateKey ?? keys)
	made.push({ name: alg, alg, key, token })
}
console.log(JSON.stringify(made, null, 1))
