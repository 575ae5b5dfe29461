declare module 'rate-limiter-flexible/lib/RateLimiterMemory.js' {
  // biome-ignore lint/style/noDefaultExport: the file is CommonJS.
  export { RateLimiterMemory as default } from 'rate-limiter-flexible';
}
