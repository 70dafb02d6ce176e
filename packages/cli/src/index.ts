export { parseBitRate, parseByteRate, parseBytes, parseDuration, parseRatio } from './units.js'
