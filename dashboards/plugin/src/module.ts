import { AppPlugin } from '@grafana/data'
import { Home } from './components/Home.tsx'

export const plugin = new AppPlugin().setRootPage(Home)
